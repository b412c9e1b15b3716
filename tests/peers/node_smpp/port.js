// An enterprise's port on node-smpp: arguments PORT ACCOUNT SECRET; node_modules are found by NODE_PATH.
// A line of standard input, SENDER RECIPIENT TEXT, is submitted; a long text is cut here, with a header in each part.
// Printed are "answer ID STATUS" for each part and "report ID STATE" for each receipt. It ends when each part has one.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const [port, account, secret] = process.argv.slice(2);
const WINDOW = 32;
const waiting = []; // parts that were not submitted yet
let reference = 0;
let answers = 0;
let open = 0;
let reports = 0;
let read = false;

const session = smpp.connect({url: `smpp://127.0.0.1:${port}`}, () => {
  session.bind_transceiver({system_id: account, password: secret, interface_version: 0x34}, (answer) => {
    if (answer.command_status !== 0) {
      console.log(`refused ${answer.command_status}`);
      process.exit(1);
    }
    const lines = readline.createInterface({input: process.stdin});
    lines.on('line', (line) => {
      const [, sender, recipient, text] = /^(\S+) (\S+) (.*)$/.exec(line);
      cut(sender, recipient, text);
      submit();
    });
    lines.on('close', () => {
      read = true;
      end();
    });
  });
});
session.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
session.on('enquire_link', (pdu) => session.send(pdu.response()));
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  const [, stat] = /stat:(\w+)/.exec(pdu.short_message.message);
  console.log(`report ${pdu.receipted_message_id.toString().replace(/\0/g, '')} ${stat}`);
  reports += 1;
  end();
});

// Two octets a unit: 70 units alone, 67 with a header of 6 octets; the halves of a surrogate pair stay together.
function cut(sender, recipient, text) {
  if (text.length <= 70) {
    waiting.push([sender, recipient, text, undefined]);
    return;
  }
  const pieces = [];
  for (let at = 0; at < text.length;) {
    let until = Math.min(at + 67, text.length);
    if (until < text.length && (text.charCodeAt(until - 1) & 0xfc00) === 0xd800) {
      until -= 1;
    }
    pieces.push(text.slice(at, until));
    at = until;
  }
  reference = (reference + 1) % 256;
  pieces.forEach((piece, i) => {
    waiting.push([sender, recipient, piece, Buffer.from([5, 0, 3, reference, pieces.length, i + 1])]);
  });
}

function submit() {
  while (open < WINDOW && waiting.length) {
    const [sender, recipient, message, udh] = waiting.shift();
    open += 1;
    session.submit_sm({
      source_addr: sender,
      destination_addr: recipient,
      data_coding: 8,
      registered_delivery: 1,
      short_message: udh ? {udh, message} : {message},
      esm_class: udh ? smpp.ESM_CLASS.UDH_INDICATOR : 0,
    }, (answer) => {
      open -= 1;
      answers += 1;
      console.log(`answer ${answer.message_id} ${answer.command_status}`);
      submit();
      end();
    });
  }
}

function end() {
  if (read && !open && !waiting.length && reports >= answers) {
    session.unbind(() => process.exit(0));
  }
}
