"""Skills of a3s-code: the file format, the registry, seven built-in skills, and who may be one."""

__version__ = "0.1.0"
