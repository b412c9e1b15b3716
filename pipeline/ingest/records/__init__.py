"""Files of the SMSCs and of enterprises, fetched from folders, FTP servers and SFTP servers, each file once."""
