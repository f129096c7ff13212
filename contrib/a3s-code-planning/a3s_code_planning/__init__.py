"""Plans of a3s-code: one question to the model turns a prompt into steps."""
