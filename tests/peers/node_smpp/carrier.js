// A carrier on node-smpp that accepts everything: arguments PORT ACCOUNT SECRET; node_modules are found by NODE_PATH.
// It joins parts by their header. Printed are "listening", then "part RECIPIENT ID", "text RECIPIENT TEXT" for each
// whole message, and "acknowledged STATUS" for each answer to a receipt. It ends with its standard input.
'use strict';

const smpp = require('smpp');

const [port, account, secret] = process.argv.slice(2);
const waiting = new Map(); // parts by sender, recipient, reference and total
let ids = 0;

const server = smpp.createServer((session) => {
  session.on('error', () => session.close());
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === account && pdu.password === secret;
    session.send(pdu.response({command_status: known ? 0 : smpp.ESME_RINVPASWD, system_id: 'carrier'}));
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on('submit_sm', (pdu) => {
    const id = (0x1000 + ++ids).toString(16).toUpperCase().padStart(12, '0');
    session.send(pdu.response({message_id: id}));
    console.log(`part ${pdu.destination_addr} ${id}`);
    take(pdu);
    const stat = pdu.destination_addr.endsWith('7') ? 'UNDELIV' : 'DELIVRD';
    session.deliver_sm({
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611281200 done date:2611281200 stat:${stat} err:000 text:`,
    }, (answer) => console.log(`acknowledged ${answer.command_status}`));
  });
});

function take(pdu) {
  const {message, udh} = pdu.short_message;
  const place = (udh || []).find((element) => element[0] === 0);
  if (!place) {
    console.log(`text ${pdu.destination_addr} ${message}`);
    return;
  }
  const [reference, total, number] = place.slice(2);
  const key = [pdu.source_addr, pdu.destination_addr, reference, total].join('/');
  const parts = waiting.get(key) || new Map();
  waiting.set(key, parts.set(number, message));
  if (parts.size === total) {
    waiting.delete(key);
    const text = Array.from({length: total}, (_, i) => parts.get(i + 1)).join('');
    console.log(`text ${pdu.destination_addr} ${text}`);
  }
}

server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.stdin.on('end', () => process.exit(0)).resume();
