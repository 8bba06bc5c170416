"""What data sets are made from, a file or folder for each command of `cris data` that makes one."""
