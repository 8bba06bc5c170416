"""Sources of data sets, a file or folder for each command of `cris data` that makes one."""
