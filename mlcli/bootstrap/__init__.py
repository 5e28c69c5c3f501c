"""What runs inside every Python of a watched command: copied from here, imported by nothing of mlcli, stdlib of 3.8."""
