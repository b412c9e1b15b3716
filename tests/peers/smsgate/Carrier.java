import com.chinamobile.cmos.sms.SmsTextMessage;
import com.zx.sms.BaseMessage;
import com.zx.sms.LongSMSMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverResponseMessage;
import com.zx.sms.codec.cmpp.msg.CmppReportRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitResponseMessage;
import com.zx.sms.codec.cmpp.wap.LongMessageFrameHolder;
import com.zx.sms.codec.cmpp.wap.SmsMessageHolder;
import com.zx.sms.codec.sgip12.msg.SgipReportRequestMessage;
import com.zx.sms.codec.sgip12.msg.SgipReportResponseMessage;
import com.zx.sms.codec.sgip12.msg.SgipSubmitRequestMessage;
import com.zx.sms.codec.sgip12.msg.SgipSubmitResponseMessage;
import com.zx.sms.codec.smgp.msg.SMGPDeliverMessage;
import com.zx.sms.codec.smgp.msg.SMGPDeliverRespMessage;
import com.zx.sms.codec.smgp.msg.SMGPReportData;
import com.zx.sms.codec.smgp.msg.SMGPSubmitMessage;
import com.zx.sms.codec.smgp.msg.SMGPSubmitRespMessage;
import com.zx.sms.codec.smpp.msg.DeliverSmReceipt;
import com.zx.sms.codec.smpp.msg.DeliverSmResp;
import com.zx.sms.codec.smpp.msg.SubmitSm;
import com.zx.sms.codec.smpp.msg.SubmitSmResp;
import com.zx.sms.common.util.MsgId;
import com.zx.sms.connect.manager.EndpointEntity;
import com.zx.sms.connect.manager.EndpointManager;
import com.zx.sms.connect.manager.ServerServerEndpoint;
import com.zx.sms.connect.manager.cmpp.CMPPServerChildEndpointEntity;
import com.zx.sms.connect.manager.cmpp.CMPPServerEndpointEntity;
import com.zx.sms.connect.manager.sgip.SgipClientEndpointEntity;
import com.zx.sms.connect.manager.sgip.SgipServerChildEndpointEntity;
import com.zx.sms.connect.manager.sgip.SgipServerEndpointEntity;
import com.zx.sms.connect.manager.smgp.SMGPServerChildEndpointEntity;
import com.zx.sms.connect.manager.smgp.SMGPServerEndpointEntity;
import com.zx.sms.connect.manager.smpp.SMPPServerChildEndpointEntity;
import com.zx.sms.connect.manager.smpp.SMPPServerEndpointEntity;
import com.zx.sms.handler.api.AbstractBusinessHandler;
import com.zx.sms.handler.api.BusinessHandlerInterface;
import com.zx.sms.session.cmpp.SessionState;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A carrier on SMSGate that accepts everything: arguments PROTOCOL (cmpp2, cmpp3, smgp, sgip, smpp) PORT ACCOUNT SECRET
 * LISTEN, the last being the port where the provider waits for SGIP's second connection.
 *
 * <p>SMSGate joins the parts of a message. Printed are "listening", then "part RECIPIENT ID" for each part, "text
 * RECIPIENT TEXT" for each whole message, and "acknowledged RESULT" for each answer to a report. It ends with its
 * standard input.
 */
public final class Carrier {
  private static final AtomicInteger ids = new AtomicInteger();
  private static final ConcurrentLinkedQueue<BaseMessage> due = new ConcurrentLinkedQueue<>(); // SGIP, no way yet
  private static final Object lock = new Object(); // of `output`
  private static PrintStream output;
  private static EndpointEntity account;
  private static volatile Channel way; // SGIP's second connection

  public static void main(String[] arguments) throws Exception {
    output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err); // SMSGate's own words
    String protocol = arguments[0];
    EndpointEntity server = server(protocol);
    server.setId("carrier");
    server.setHost("127.0.0.1");
    server.setPort(Integer.valueOf(arguments[1]));
    server.setValid(true);
    account = account(protocol, arguments[2], arguments[3]);
    account.setId("account");
    prepare(account);
    ((ServerServerEndpoint) server).addchild(account);
    EndpointManager.INS.openEndpoint(server);
    if (protocol.equals("sgip")) {
      var caller = new SgipClientEndpointEntity();
      caller.setId("caller");
      caller.setHost("127.0.0.1");
      caller.setPort(Integer.valueOf(arguments[4]));
      caller.setLoginName(arguments[2]);
      caller.setLoginPassowrd(arguments[3]);
      caller.setNodeId(100010);
      caller.setChannelType(EndpointEntity.ChannelType.UP);
      prepare(caller);
      EndpointManager.INS.openEndpoint(caller);
      EndpointManager.INS.startConnectionCheckTask();
    }
    say("listening");
    while (System.in.read() >= 0) {
      // until its end
    }
    Runtime.getRuntime().halt(0); // SMSGate's threads do not end by themselves
  }

  private static void prepare(EndpointEntity entity) {
    entity.setValid(true);
    entity.setMaxChannels((short) (entity instanceof SgipClientEndpointEntity ? 1 : 16));
    entity.setWindow(64);
    entity.setRetryWaitTimeSec((short) 30);
    entity.setReSendFailMsg(false);
    entity.setSupportLongmsg(EndpointEntity.SupportLongMessage.NONE);
    entity.setBusinessHandlerSet(List.<BusinessHandlerInterface>of(new Handler()));
  }

  private static EndpointEntity server(String protocol) {
    switch (protocol) {
      case "smgp":
        return new SMGPServerEndpointEntity();
      case "sgip":
        return new SgipServerEndpointEntity();
      case "smpp":
        return new SMPPServerEndpointEntity();
      default:
        return new CMPPServerEndpointEntity();
    }
  }

  private static EndpointEntity account(String protocol, String name, String secret) {
    switch (protocol) {
      case "smgp":
        var smgp = new SMGPServerChildEndpointEntity();
        smgp.setClientID(name);
        smgp.setPassword(secret);
        smgp.setChannelType(EndpointEntity.ChannelType.DUPLEX);
        smgp.setClientVersion((byte) 0x30);
        return smgp;
      case "sgip":
        var sgip = new SgipServerChildEndpointEntity();
        sgip.setLoginName(name);
        sgip.setLoginPassowrd(secret);
        sgip.setNodeId(3029999999L);
        sgip.setChannelType(EndpointEntity.ChannelType.DUPLEX);
        return sgip;
      case "smpp":
        var smpp = new SMPPServerChildEndpointEntity();
        smpp.setSystemId(name);
        smpp.setPassword(secret);
        smpp.setChannelType(EndpointEntity.ChannelType.DUPLEX);
        smpp.setInterfaceVersion((byte) 0x34);
        return smpp;
      default:
        var cmpp = new CMPPServerChildEndpointEntity();
        cmpp.setUserName(name);
        cmpp.setPassword(secret);
        cmpp.setChartset(StandardCharsets.UTF_8);
        cmpp.setVersion((short) (protocol.equals("cmpp2") ? 0x20 : 0x30));
        return cmpp;
    }
  }

  @ChannelHandler.Sharable
  private static final class Handler extends AbstractBusinessHandler {
    @Override
    public String name() {
      return "antispam-carrier";
    }

    @Override
    public AbstractBusinessHandler clone() {
      return this;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
      if (event == SessionState.Connect && getEndpointEntity() instanceof SgipClientEndpointEntity) {
        way = context.channel();
        for (BaseMessage report = due.poll(); report != null; report = due.poll()) {
          way.writeAndFlush(report);
        }
      }
      context.fireUserEventTriggered(event);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
      if (message instanceof CmppSubmitRequestMessage) {
        cmpp(context, (CmppSubmitRequestMessage) message);
      } else if (message instanceof SMGPSubmitMessage) {
        smgp(context, (SMGPSubmitMessage) message);
      } else if (message instanceof SgipSubmitRequestMessage) {
        sgip(context, (SgipSubmitRequestMessage) message);
      } else if (message instanceof SubmitSm) {
        smpp(context, (SubmitSm) message);
      } else if (message instanceof CmppDeliverResponseMessage) {
        say("acknowledged " + ((CmppDeliverResponseMessage) message).getResult());
      } else if (message instanceof SMGPDeliverRespMessage) {
        say("acknowledged " + ((SMGPDeliverRespMessage) message).getStatus());
      } else if (message instanceof SgipReportResponseMessage) {
        say("acknowledged " + ((SgipReportResponseMessage) message).getResult());
      } else if (message instanceof DeliverSmResp) {
        say("acknowledged " + ((DeliverSmResp) message).getCommandStatus());
      } else {
        context.fireChannelRead(message);
      }
    }
  }

  private static void cmpp(ChannelHandlerContext context, CmppSubmitRequestMessage submit) throws Exception {
    String recipient = submit.getDestterminalId()[0];
    var answer = new CmppSubmitResponseMessage(submit.getHeader().getSequenceId());
    answer.setMsgId(new MsgId(System.currentTimeMillis(), 7, ids.incrementAndGet() & 0xffff));
    answer.setResult(0);
    context.writeAndFlush(answer);
    took(submit, recipient, answer.getMsgId());
    var state = new CmppReportRequestMessage();
    state.setMsgId(answer.getMsgId());
    state.setStat(end(recipient));
    state.setDestterminalId(recipient);
    state.setSubmitTime("2611281200");
    state.setDoneTime("2611281200");
    state.setSmscSequence(0);
    var deliver = new CmppDeliverRequestMessage();
    deliver.setMsgId(answer.getMsgId());
    deliver.setDestId(submit.getSrcId());
    deliver.setSrcterminalId(recipient);
    deliver.setReportRequestMessage(state);
    context.writeAndFlush(deliver);
  }

  private static void smgp(ChannelHandlerContext context, SMGPSubmitMessage submit) throws Exception {
    String recipient = submit.getDestTermIdArray()[0];
    var answer = new SMGPSubmitRespMessage();
    answer.setSequenceNo(submit.getSequenceNo());
    answer.setMsgId(new com.zx.sms.codec.smgp.msg.MsgId(System.currentTimeMillis(), 7, ids.incrementAndGet()));
    answer.setStatus(0);
    context.writeAndFlush(answer);
    took(submit, recipient, answer.getMsgId());
    var state = new SMGPReportData();
    state.setMsgId(answer.getMsgId());
    state.setSub("001");
    state.setDlvrd("001");
    state.setSubTime("2611281200");
    state.setDoneTime("2611281200");
    state.setStat(end(recipient));
    state.setErr("000");
    state.setTxt("");
    var deliver = new SMGPDeliverMessage();
    deliver.setMsgId(answer.getMsgId());
    deliver.setSrcTermId(recipient);
    deliver.setDestTermId(submit.getSrcTermId());
    deliver.setReport(state);
    context.writeAndFlush(deliver);
  }

  private static void sgip(ChannelHandlerContext context, SgipSubmitRequestMessage submit) throws Exception {
    String recipient = submit.getUsernumber()[0];
    var answer = new SgipSubmitResponseMessage(submit.getHeader());
    answer.setResult((short) 0);
    answer.setTimestamp(submit.getTimestamp());
    context.writeAndFlush(answer);
    took(submit, recipient, submit.getSequenceNumber());
    var report = new SgipReportRequestMessage();
    report.setSequenceId(submit.getSequenceNumber());
    report.setReporttype((short) 0);
    report.setUsernumber(recipient);
    report.setState((short) (end(recipient).equals("DELIVRD") ? 0 : 2));
    report.setErrorcode((short) (end(recipient).equals("DELIVRD") ? 0 : 25));
    Channel open = way;
    if (open == null) {
      due.add(report);
    } else {
      open.writeAndFlush(report);
    }
  }

  private static void smpp(ChannelHandlerContext context, SubmitSm submit) throws Exception {
    String recipient = submit.getDestAddress().getAddress();
    SubmitSmResp answer = submit.createResponse();
    answer.setMessageId(String.format("%010X", ids.incrementAndGet()));
    context.writeAndFlush(answer);
    took(submit, recipient, answer.getMessageId());
    var receipt = new DeliverSmReceipt();
    receipt.setId(answer.getMessageId());
    receipt.setSub("001");
    receipt.setDlvrd("001");
    receipt.setSubmit_date("2611281200");
    receipt.setDone_date("2611281200");
    receipt.setStat(end(recipient));
    receipt.setErr("000");
    receipt.setText("");
    receipt.setSourceAddress(submit.getDestAddress());
    receipt.setDestAddress(submit.getSourceAddress());
    context.writeAndFlush(receipt);
  }

  /** Recipients that end in 7 cannot be reached. */
  private static String end(String recipient) {
    return recipient.endsWith("7") ? "UNDELIV" : "DELIVRD";
  }

  private static void took(LongSMSMessage<?> part, String recipient, Object id) throws Exception {
    say("part " + recipient + " " + id);
    SmsMessageHolder whole =
        LongMessageFrameHolder.INS.putAndget(account, part.getSrcIdAndDestId(), (LongSMSMessage) part, true);
    if (whole != null) {
      say("text " + recipient + " " + ((SmsTextMessage) whole.getSmsMessage()).getText());
    }
  }

  private static void say(String line) {
    synchronized (lock) {
      output.println(line);
    }
  }
}
