"""Record files of the SMSCs, fetched from folders, FTP servers and SFTP servers, each file once."""
