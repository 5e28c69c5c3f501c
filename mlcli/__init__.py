"""mlcli: which code, data, command and numbers made the model in production."""
