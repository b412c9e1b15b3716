"""Record files of the SMSCs: fetched from folders, FTP and SFTP servers, each file once."""
