"""The WSDL 1.1 of the service, with a binding for each version of SOAP."""

from __future__ import annotations

from xml.sax.saxutils import escape

from pipeline.ingest.soap.operations import NAMESPACE

_OPERATIONS = ("Submit", "SubmitBulk", "Query")
_TIMES = """
      <element name="express" type="boolean" minOccurs="0"/>
      <element name="validUntil" type="dateTime" minOccurs="0"/>
      <element name="scheduledAt" type="dateTime" minOccurs="0"/>"""
_MESSAGE = """
      <element name="id" type="string" minOccurs="0"/>
      <element name="port" type="string" minOccurs="0"/>
      <element name="recipient" type="string" maxOccurs="unbounded"/>
      <element name="content" type="string"/>"""
_XSD = "http://www.w3.org/2001/XMLSchema"
_SCHEMA = f"""<schema xmlns="{_XSD}" targetNamespace="{NAMESPACE}" elementFormDefault="qualified">
  <element name="Submit"><complexType><sequence>{_MESSAGE}
      <element name="template" type="string" minOccurs="0"/>{_TIMES}
  </sequence></complexType></element>
  <element name="SubmitResponse"><complexType><sequence>
      <element name="id" type="string"/>
      <element name="messages" type="int"/>
      <element name="duplicate" type="boolean"/>
  </sequence></complexType></element>
  <element name="SubmitBulk"><complexType><sequence>
      <element name="task" type="string" minOccurs="0"/>{_TIMES}
      <element name="item" maxOccurs="unbounded"><complexType><sequence>{_MESSAGE}
      </sequence></complexType></element>
  </sequence></complexType></element>
  <element name="SubmitBulkResponse"><complexType><sequence>
      <element name="accepted" type="int"/>
      <element name="duplicates" type="int"/>
      <element name="result" minOccurs="0" maxOccurs="unbounded"><complexType><sequence>
        <element name="status" type="int"/>
        <element name="id" type="string"/>
        <element name="messages" type="int"/>
        <element name="duplicate" type="boolean"/>
        <element name="code" type="string"/>
        <element name="message" type="string"/>
        <element name="field" type="string"/>
      </sequence></complexType></element>
  </sequence></complexType></element>
  <element name="Query"><complexType><sequence>
      <element name="id" type="string"/>
  </sequence></complexType></element>
  <element name="QueryResponse"><complexType><sequence>
      <element name="id" type="string"/>
      <element name="port" type="string"/>
      <element name="state" type="string"/>
      <element name="reason" minOccurs="0" maxOccurs="unbounded"><complexType><sequence>
        <element name="rule" type="string"/>
        <element name="message" type="string"/>
      </sequence></complexType></element>
      <element name="recipient" minOccurs="0" maxOccurs="unbounded"><complexType><sequence>
        <element name="number" type="string"/>
        <element name="state" type="string"/>
        <element name="status" type="string"/>
        <element name="rule" type="string"/>
      </sequence></complexType></element>
  </sequence></complexType></element>
  <element name="problem"><complexType><sequence>
      <element name="status" type="int"/>
      <element name="code" type="string"/>
      <element name="field" type="string" minOccurs="0"/>
      <element name="retryAfter" type="int" minOccurs="0"/>
  </sequence></complexType></element>
</schema>"""


def wsdl(location: str) -> bytes:
    """The document; `location` is the address of the service."""
    messages = "".join(
        f'<message name="{name}"><part name="parameters" element="t:{name}"/></message>'
        for operation in _OPERATIONS
        for name in (operation, f"{operation}Response")
    )
    port_type = "".join(
        f'<operation name="{name}"><input message="t:{name}"/><output message="t:{name}Response"/>'
        f'<fault name="problem" message="t:problem"/></operation>'
        for name in _OPERATIONS
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="{NAMESPACE}" targetNamespace="{NAMESPACE}" '
        'name="Submissions" xmlns:soap11="http://schemas.xmlsoap.org/wsdl/soap/" '
        'xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/">'
        f'<types>{_SCHEMA}</types>{messages}<message name="problem"><part name="detail" element="t:problem"/></message>'
        f'<portType name="Submissions">{port_type}</portType>'
        f"{_binding('11')}{_binding('12')}"
        f'<service name="Submissions">{_port("11", location)}{_port("12", location)}</service></definitions>'
    ).encode()


def _binding(version: str) -> str:
    soap = f"soap{version}"
    operations = "".join(
        f'<operation name="{name}"><{soap}:operation soapAction="{NAMESPACE}#{name}" style="document"/>'
        f'<input><{soap}:body use="literal"/></input><output><{soap}:body use="literal"/></output>'
        f'<fault name="problem"><{soap}:fault name="problem" use="literal"/></fault></operation>'
        for name in _OPERATIONS
    )
    return (
        f'<binding name="Soap{version}" type="t:Submissions">'
        f'<{soap}:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{operations}</binding>'
    )


def _port(version: str, location: str) -> str:
    address = escape(location, {'"': "&quot;"})
    return f'<port name="Soap{version}" binding="t:Soap{version}"><soap{version}:address location="{address}"/></port>'
