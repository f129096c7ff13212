"""Sessions and memories of a3s-code in files and in memory."""
