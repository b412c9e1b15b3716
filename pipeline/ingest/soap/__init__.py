"""SOAP 1.1 and 1.2: envelopes, the operations of the service, and its WSDL. Pure; `ingest/http/soap.py` serves them."""
