import com.zx.sms.BaseMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverResponseMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitResponseMessage;
import com.zx.sms.codec.sgip12.msg.SgipReportRequestMessage;
import com.zx.sms.codec.sgip12.msg.SgipReportResponseMessage;
import com.zx.sms.codec.sgip12.msg.SgipSubmitRequestMessage;
import com.zx.sms.codec.sgip12.msg.SgipSubmitResponseMessage;
import com.zx.sms.codec.smgp.msg.SMGPDeliverMessage;
import com.zx.sms.codec.smgp.msg.SMGPDeliverRespMessage;
import com.zx.sms.codec.smgp.msg.SMGPSubmitMessage;
import com.zx.sms.codec.smgp.msg.SMGPSubmitRespMessage;
import com.zx.sms.codec.smpp.Address;
import com.zx.sms.codec.smpp.msg.DeliverSm;
import com.zx.sms.codec.smpp.msg.DeliverSmReceipt;
import com.zx.sms.codec.smpp.msg.SubmitSm;
import com.zx.sms.codec.smpp.msg.SubmitSmResp;
import com.zx.sms.common.util.ChannelUtil;
import com.zx.sms.connect.manager.EndpointEntity;
import com.zx.sms.connect.manager.EndpointManager;
import com.zx.sms.connect.manager.cmpp.CMPPClientEndpointEntity;
import com.zx.sms.connect.manager.sgip.SgipClientEndpointEntity;
import com.zx.sms.connect.manager.sgip.SgipServerChildEndpointEntity;
import com.zx.sms.connect.manager.sgip.SgipServerEndpointEntity;
import com.zx.sms.connect.manager.smgp.SMGPClientEndpointEntity;
import com.zx.sms.connect.manager.smpp.SMPPClientEndpointEntity;
import com.zx.sms.handler.api.AbstractBusinessHandler;
import com.zx.sms.handler.api.BusinessHandlerInterface;
import com.zx.sms.session.cmpp.SessionState;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.concurrent.Promise;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An enterprise's port on SMSGate: arguments PROTOCOL (cmpp2, cmpp3, smgp, sgip, smpp) PORT ACCOUNT SECRET LINKS LISTEN,
 * the last being the port where it waits for SGIP's second connection.
 *
 * <p>A line of standard input, SENDER RECIPIENT TEXT, is submitted and cut by SMSGate. After the last line it prints
 * "answer ID RESULT" for each part, then "report ID STATE" as reports come, and ends when each part has one.
 */
public final class Port {
  private static final long NODE = 3029999999L; // of SGIP
  private static final int WAITING = 200; // messages without all their answers
  private static final CountDownLatch loggedIn = new CountDownLatch(1);
  private static final AtomicInteger reports = new AtomicInteger();
  private static final Object lock = new Object(); // of `answers`
  private static PrintStream answers;

  public static void main(String[] arguments) throws Exception {
    answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err); // SMSGate's own words
    EndpointEntity entity = entity(arguments[0], arguments[2], arguments[3]);
    entity.setId("port");
    entity.setHost("127.0.0.1");
    entity.setPort(Integer.valueOf(arguments[1]));
    entity.setMaxChannels(Short.parseShort(arguments[4]));
    entity.setValid(true);
    entity.setWindow(16);
    entity.setRetryWaitTimeSec((short) 60);
    entity.setReSendFailMsg(false);
    entity.setSupportLongmsg(EndpointEntity.SupportLongMessage.BOTH);
    entity.setBusinessHandlerSet(List.<BusinessHandlerInterface>of(new Handler()));
    if (arguments[0].equals("sgip")) {
      listen(arguments[2], arguments[3], Integer.valueOf(arguments[5]));
    }
    EndpointManager.INS.openEndpoint(entity);
    for (int i = 0; i < Integer.parseInt(arguments[4]); i++) {
      entity.getSingletonConnector().open();
    }
    if (!loggedIn.await(60, TimeUnit.SECONDS)) {
      throw new IllegalStateException("no login");
    }
    int parts = 0;
    Deque<List<Promise<BaseMessage>>> waiting = new ArrayDeque<>();
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.split(" ", 3);
      waiting.add(ChannelUtil.syncWriteLongMsgToEntity(entity, message(arguments[0], words)));
      if (waiting.size() > WAITING) {
        parts += answered(waiting.remove());
      }
    }
    while (!waiting.isEmpty()) {
      parts += answered(waiting.remove());
    }
    while (reports.get() < parts) {
      Thread.sleep(20);
    }
    say("end " + parts);
    Runtime.getRuntime().halt(0); // SMSGate's threads do not end by themselves
  }

  /** Waits for the carrier's own connection, over which SGIP's reports come. */
  private static void listen(String account, String secret, int port) throws Exception {
    var server = new SgipServerEndpointEntity();
    server.setId("reports");
    server.setHost("127.0.0.1");
    server.setPort(port);
    server.setValid(true);
    var carrier = new SgipServerChildEndpointEntity();
    carrier.setId("carrier");
    carrier.setLoginName(account);
    carrier.setLoginPassowrd(secret);
    carrier.setNodeId(NODE);
    carrier.setChannelType(EndpointEntity.ChannelType.DUPLEX);
    carrier.setValid(true);
    carrier.setMaxChannels((short) 4);
    carrier.setWindow(64);
    carrier.setSupportLongmsg(EndpointEntity.SupportLongMessage.NONE);
    carrier.setBusinessHandlerSet(List.<BusinessHandlerInterface>of(new Handler()));
    server.addchild(carrier);
    EndpointManager.INS.openEndpoint(server);
  }

  private static EndpointEntity entity(String protocol, String account, String secret) {
    if (protocol.equals("smpp")) {
      var smpp = new SMPPClientEndpointEntity();
      smpp.setSystemId(account);
      smpp.setPassword(secret);
      smpp.setChannelType(EndpointEntity.ChannelType.DUPLEX);
      smpp.setInterfaceVersion((byte) 0x34);
      return smpp;
    }
    if (protocol.equals("sgip")) {
      var sgip = new SgipClientEndpointEntity();
      sgip.setLoginName(account);
      sgip.setLoginPassowrd(secret);
      sgip.setNodeId(NODE);
      sgip.setChannelType(EndpointEntity.ChannelType.DOWN);
      return sgip;
    }
    if (protocol.equals("smgp")) {
      var smgp = new SMGPClientEndpointEntity();
      smgp.setClientID(account);
      smgp.setPassword(secret);
      smgp.setChannelType(EndpointEntity.ChannelType.DUPLEX);
      smgp.setClientVersion((byte) 0x30);
      return smgp;
    }
    var cmpp = new CMPPClientEndpointEntity();
    cmpp.setUserName(account);
    cmpp.setPassword(secret);
    cmpp.setSpCode("");
    cmpp.setMsgSrc(account);
    cmpp.setServiceId("");
    cmpp.setChartset(StandardCharsets.UTF_8);
    cmpp.setVersion((short) (protocol.equals("cmpp2") ? 0x20 : 0x30));
    return cmpp;
  }

  private static BaseMessage message(String protocol, String[] words) {
    if (protocol.equals("smpp")) {
      var submit = new SubmitSm();
      submit.setSourceAddress(new Address((byte) 0, (byte) 1, words[0]));
      submit.setDestAddress(new Address((byte) 0, (byte) 1, words[1]));
      submit.setSmsMsg(words[2]);
      submit.setRegisteredDelivery((byte) 1);
      return submit;
    }
    if (protocol.equals("sgip")) {
      var submit = new SgipSubmitRequestMessage();
      submit.setSpnumber(words[0]);
      submit.setUsernumber("86" + words[1]);
      submit.setCorpid("99999");
      submit.setReportflag((short) 1);
      submit.setMsgContent(words[2]);
      return submit;
    }
    if (protocol.equals("smgp")) {
      var submit = new SMGPSubmitMessage();
      submit.setSrcTermId(words[0]);
      submit.setDestTermIdArray(words[1]);
      submit.setMsgContent(words[2]);
      submit.setNeedReport(true);
      return submit;
    }
    var submit = CmppSubmitRequestMessage.create(words[1], words[0], words[2]);
    submit.setRegisteredDelivery((short) 1);
    return submit;
  }

  private static int answered(List<Promise<BaseMessage>> promises) throws Exception {
    for (Promise<BaseMessage> promise : promises) {
      if (!promise.await(60, TimeUnit.SECONDS)) {
        throw new IllegalStateException("no answer");
      }
      Object answer = promise.get();
      if (answer instanceof CmppSubmitResponseMessage) {
        var cmpp = (CmppSubmitResponseMessage) answer;
        say("answer " + cmpp.getMsgId() + " " + cmpp.getResult());
      } else if (answer instanceof SMGPSubmitRespMessage) {
        var smgp = (SMGPSubmitRespMessage) answer;
        say("answer " + smgp.getMsgId() + " " + smgp.getStatus());
      } else if (answer instanceof SgipSubmitResponseMessage) {
        var sgip = (SgipSubmitResponseMessage) answer;
        say("answer " + sgip.getSequenceNumber() + " " + sgip.getResult());
      } else {
        var smpp = (SubmitSmResp) answer;
        say("answer " + smpp.getMessageId() + " " + smpp.getCommandStatus());
      }
    }
    return promises.size();
  }

  private static void say(String line) {
    synchronized (lock) {
      answers.println(line);
    }
  }

  private static final class Handler extends AbstractBusinessHandler {
    @Override
    public String name() {
      return "antispam-port";
    }

    @Override
    public AbstractBusinessHandler clone() {
      return new Handler();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
      if (event == SessionState.Connect) {
        loggedIn.countDown();
      }
      context.fireUserEventTriggered(event);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
      if (message instanceof CmppDeliverRequestMessage) {
        var deliver = (CmppDeliverRequestMessage) message;
        var answer = new CmppDeliverResponseMessage(deliver.getHeader().getSequenceId());
        answer.setMsgId(deliver.getMsgId());
        answer.setResult(0);
        context.writeAndFlush(answer);
        report(deliver.getReportRequestMessage().getMsgId(), deliver.getReportRequestMessage().getStat());
      } else if (message instanceof SMGPDeliverMessage) {
        var deliver = (SMGPDeliverMessage) message;
        var answer = new SMGPDeliverRespMessage();
        answer.setSequenceNo(deliver.getSequenceNo());
        answer.setMsgId(deliver.getMsgId());
        answer.setStatus(0);
        context.writeAndFlush(answer);
        report(deliver.getReport().getMsgId(), deliver.getReport().getStat());
      } else if (message instanceof SgipReportRequestMessage) {
        var told = (SgipReportRequestMessage) message;
        var answer = new SgipReportResponseMessage(told.getHeader());
        answer.setTimestamp(told.getTimestamp());
        answer.setResult((short) 0);
        context.writeAndFlush(answer);
        report(told.getSequenceId(), told.getState() == 0 ? "DELIVRD" : "UNDELIV");
      } else if (message instanceof DeliverSm) {
        context.writeAndFlush(((DeliverSm) message).createResponse());
        report(((DeliverSmReceipt) message).getId(), ((DeliverSmReceipt) message).getStat());
      } else {
        context.fireChannelRead(message);
      }
    }

    private static void report(Object id, String state) {
      say("report " + id + " " + state);
      reports.incrementAndGet();
    }
  }
}
