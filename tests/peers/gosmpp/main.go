// An enterprise's port on gosmpp: arguments PORT ACCOUNT SECRET.
//
// A line of standard input, SENDER RECIPIENT TEXT, is submitted; gosmpp cuts a long text and puts a header before each
// part. Printed are "answer ID STATUS" for each part and "report ID STATE" for each receipt. It ends when each part
// has one.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/linxGnu/gosmpp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

const window = 32

var (
	state = regexp.MustCompile(`stat:(\w+)`)
	room  = make(chan struct{}, window)
	said  sync.Mutex
	out   = bufio.NewWriter(os.Stdout)
	all   sync.WaitGroup // answers and receipts that are to come
)

func say(format string, values ...any) {
	said.Lock()
	defer said.Unlock()
	fmt.Fprintf(out, format+"\n", values...)
}

func take(received pdu.PDU, _ bool) {
	switch message := received.(type) {
	case *pdu.SubmitSMResp:
		say("answer %s %d", message.MessageID, message.CommandStatus)
		<-room
		all.Done()
	case *pdu.DeliverSM:
		text, err := message.Message.GetMessage()
		if err != nil {
			log.Fatal(err)
		}
		receipted := message.OptionalParameters[pdu.TagReceiptedMessageID]
		say("report %s %s", receipted.String(), state.FindStringSubmatch(text)[1])
		all.Done()
	}
}

func address(number string) pdu.Address {
	made := pdu.NewAddress()
	made.SetNpi(1)
	if err := made.SetAddress(number); err != nil {
		log.Fatal(err)
	}
	return made
}

func parts(sender, recipient, text string) []*pdu.SubmitSM {
	submit := pdu.NewSubmitSM().(*pdu.SubmitSM)
	submit.SourceAddr, submit.DestAddr = address(sender), address(recipient)
	submit.RegisteredDelivery = 1
	if err := submit.Message.SetLongMessageWithEnc(text, data.UCS2); err != nil {
		log.Fatal(err)
	}
	pieces, err := submit.Split()
	if err != nil {
		log.Fatal(err)
	}
	for _, piece := range pieces {
		piece.AssignSequenceNumber() // Split gives all parts the number of the whole
	}
	return pieces
}

func main() {
	session, err := gosmpp.NewSession(
		gosmpp.TRXConnector(gosmpp.NonTLSDialer, gosmpp.Auth{
			SMSC: "127.0.0.1:" + os.Args[1], SystemID: os.Args[2], Password: os.Args[3],
		}),
		gosmpp.Settings{
			EnquireLink:      5 * time.Second,
			ReadTimeout:      60 * time.Second,
			OnPDU:            take,
			OnSubmitError:    func(_ pdu.PDU, err error) { log.Fatal(err) },
			OnReceivingError: func(err error) { log.Println(err) },
		},
		-1, // it does not bind again
	)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 3)
		for _, part := range parts(words[0], words[1], words[2]) {
			room <- struct{}{}
			all.Add(2)
			if err := session.Transceiver().Submit(part); err != nil {
				log.Fatal(err)
			}
		}
	}
	all.Wait()
	said.Lock()
	out.Flush()
	if err := session.Close(); err != nil {
		log.Fatal(err)
	}
}
