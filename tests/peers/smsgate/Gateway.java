import com.zx.sms.codec.cmpp.msg.CmppDeliverRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverResponseMessage;
import com.zx.sms.codec.cmpp.msg.CmppReportRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitResponseMessage;
import com.zx.sms.codec.cmpp.msg.CmppTerminateRequestMessage;
import com.zx.sms.common.util.DefaultMsgIdUtil;
import com.zx.sms.common.util.MsgId;
import com.zx.sms.connect.manager.EndpointEntity;
import com.zx.sms.connect.manager.EndpointManager;
import com.zx.sms.connect.manager.cmpp.CMPPServerChildEndpointEntity;
import com.zx.sms.connect.manager.cmpp.CMPPServerEndpointEntity;
import com.zx.sms.handler.api.AbstractBusinessHandler;
import com.zx.sms.handler.api.BusinessHandlerInterface;
import com.zx.sms.session.cmpp.SessionState;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A carrier's CMPP 3.0 gateway on SMSGate that behaves as told: arguments PORT ACCOUNT SECRET.
 *
 * <p>A line of standard input, BEHAVIOUR LOG, begins a run; "end" waits for the reports still due and ends it.
 * The log has a JSON object a line: what was taken under which id and what its true end is, what was answered,
 * refused, closed and acknowledged. Recipients that end in 7 cannot be reached.
 */
public final class Gateway {
  enum Behaviour { PLAIN, DELAYS, THROTTLE, REFUSALS, SILENCE, REPORTS_FIRST, OTHER_LINK, TWICE, CLOSES, POISON, TERMINATE }

  private static final int REFUSED = 9;
  private static final int THROTTLED = 8;
  private static final int GATEWAY = 7;

  private static volatile Behaviour behaviour;
  private static PrintWriter log; // of the run, under `lock`
  private static final Object lock = new Object();
  private static final Random random = new Random(1); // faults, not secrets
  private static final AtomicInteger taken = new AtomicInteger();
  private static final AtomicInteger submits = new AtomicInteger();
  private static final Set<Channel> links = ConcurrentHashMap.newKeySet();
  private static final Map<String, Word> due = new ConcurrentHashMap<>(); // by message id, until acknowledged
  private static final ScheduledExecutorService later = Executors.newScheduledThreadPool(1);

  /** What is to be said about one message, in order; each state once the one before is acknowledged. */
  private static final class Word {
    final MsgId id;
    final CmppSubmitRequestMessage submit;
    final Deque<String> states;
    Channel link; // on which the first of the states is under way

    Word(MsgId id, CmppSubmitRequestMessage submit, List<String> states) {
      this.id = id;
      this.submit = submit;
      this.states = new ArrayDeque<>(states);
    }
  }

  public static void main(String[] arguments) throws Exception {
    var server = new CMPPServerEndpointEntity();
    server.setId("gateway");
    server.setHost("127.0.0.1");
    server.setPort(Integer.valueOf(arguments[0]));
    server.setValid(true);
    var account = new CMPPServerChildEndpointEntity();
    account.setId("account");
    account.setUserName(arguments[1]);
    account.setPassword(arguments[2]);
    account.setChartset(StandardCharsets.UTF_8);
    account.setVersion((short) 0x30);
    account.setValid(true);
    account.setMaxChannels((short) 16);
    account.setWindow(32);
    account.setRetryWaitTimeSec((short) 30);
    account.setReSendFailMsg(false); // reports of a lost link are said again by us
    account.setSupportLongmsg(EndpointEntity.SupportLongMessage.NONE);
    account.setBusinessHandlerSet(List.<BusinessHandlerInterface>of(new Handler()));
    server.addchild(account);
    EndpointManager.INS.openEndpoint(server);
    later.scheduleWithFixedDelay(Gateway::sayAgain, 100, 100, TimeUnit.MILLISECONDS);
    System.out.println("listening");
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      if (line.equals("end")) {
        end();
      } else {
        begin(line.split(" ", 2));
      }
    }
    Runtime.getRuntime().halt(0); // SMSGate's threads do not end by themselves
  }

  private static void begin(String[] run) throws IOException {
    behaviour = Behaviour.valueOf(run[0]);
    submits.set(0);
    synchronized (lock) {
      log = new PrintWriter(run[1], StandardCharsets.UTF_8);
    }
    System.out.println("begun");
  }

  private static void end() throws InterruptedException {
    for (int i = 0; i < 300 && !due.isEmpty(); i++) {
      Thread.sleep(100);
    }
    note("\"event\":\"end\",\"unacknowledged\":" + due.size());
    due.clear();
    synchronized (lock) {
      log.close();
      log = null;
    }
    System.out.println("ended");
  }

  @ChannelHandler.Sharable
  private static final class Handler extends AbstractBusinessHandler {
    @Override
    public String name() {
      return "antispam-gateway";
    }

    @Override
    public AbstractBusinessHandler clone() {
      return this;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
      if (event == SessionState.Connect) {
        links.add(context.channel());
        note("\"event\":\"login\"");
      }
      context.fireUserEventTriggered(event);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) throws Exception {
      links.remove(context.channel());
      context.fireChannelInactive();
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
      if (message instanceof CmppSubmitRequestMessage) {
        take(context.channel(), (CmppSubmitRequestMessage) message);
      } else if (message instanceof CmppDeliverResponseMessage) {
        acknowledged((CmppDeliverResponseMessage) message);
      } else {
        context.fireChannelRead(message);
      }
    }
  }

  private static void take(Channel link, CmppSubmitRequestMessage submit) {
    int n = submits.incrementAndGet();
    String recipient = submit.getDestterminalId()[0];
    char last = recipient.charAt(recipient.length() - 1);
    if (behaviour == Behaviour.THROTTLE && n % 5 == 0) {
      refuse(link, submit, THROTTLED);
      return;
    }
    if (behaviour == Behaviour.REFUSALS && (last == '1' || last == '2')) {
      refuse(link, submit, REFUSED);
      return;
    }
    boolean closes = behaviour == Behaviour.CLOSES && random.nextInt(100) < 3;
    if (closes && random.nextBoolean()) { // before it was taken
      close(link);
      return;
    }
    MsgId id = new MsgId(System.currentTimeMillis(), GATEWAY, taken.incrementAndGet() & 0xffff);
    String end = last == '7' ? "UNDELIV" : "DELIVRD";
    note(part("taken", submit) + ",\"id\":\"" + hex(id) + "\",\"end\":\"" + end + "\"");
    var word = new Word(id, submit,
        behaviour == Behaviour.TWICE ? List.of("ENROUTE", end, end, "EXPIRED") : List.of(end));
    switch (behaviour) {
      case DELAYS -> {
        int answer = random.nextInt(150);
        after(answer, () -> answer(link, submit, id));
        after(answer + random.nextInt(300), () -> report(word, link));
      }
      case SILENCE -> {
        if (n % 50 != 0) {
          answer(link, submit, id);
        }
        after(50, () -> report(word, link));
      }
      case REPORTS_FIRST -> {
        report(word, link);
        after(20, () -> answer(link, submit, id));
      }
      case OTHER_LINK -> {
        answer(link, submit, id);
        report(word, links.stream().filter(other -> other != link).findAny().orElse(link));
      }
      case CLOSES -> {
        if (closes) {
          close(link);
        } else {
          answer(link, submit, id);
        }
        report(word, link);
      }
      case POISON -> poison(link, submit, word, n % 10);
      case TERMINATE -> {
        if (n % 100 == 0) {
          note("\"event\":\"terminate\"");
          link.writeAndFlush(new CmppTerminateRequestMessage());
        }
        after(20, () -> answer(link, submit, id));
        after(40, () -> report(word, link));
      }
      default -> {
        answer(link, submit, id);
        report(word, link);
      }
    }
  }

  /** Frames that no specification knows, beside or instead of what is due. */
  private static void poison(Channel link, CmppSubmitRequestMessage submit, Word word, int kind) {
    int sequence = submit.getHeader().getSequenceId();
    byte[] id = bytes(word.id);
    switch (kind) {
      case 0 -> { // a content that is longer than its frame, and a DELIVER of two octets
        raw(link, 5, 1_000_000 + sequence, bytes(id, new byte[68], new byte[] {(byte) 200}, new byte[91]));
        raw(link, 5, 2_000_000 + sequence, new byte[2]);
        answer(link, submit, word.id);
      }
      case 1 -> { // unknown commands, FWD among them
        raw(link, 9, sequence, new byte[8]);
        raw(link, 0x800000ff, sequence, new byte[0]);
        answer(link, submit, word.id);
      }
      case 2 -> { // as in 2.0: an octet of result
        raw(link, 0x80000004, sequence, bytes(id, new byte[1]));
        answered(link, word.id);
      }
      case 3 -> raw(link, 0x80000004, sequence, bytes(id, new byte[2])); // as in no version, but with its id
      case 4 -> { // octets behind the answer
        raw(link, 0x80000004, sequence, bytes(id, new byte[4], new byte[] {1, 2, 3}));
        answered(link, word.id);
      }
      default -> answer(link, submit, word.id);
    }
    if (kind == 5) { // octets behind the report
      word.link = link;
      due.put(hex(word.id), word);
      after(30, () -> raw(link, 5, 3_000_000 + sequence, longReport(word)));
    } else {
      after(30, () -> report(word, link));
    }
  }

  private static byte[] longReport(Word word) {
    byte[] body = bytes(bytes(word.id), text(word.states.peek(), 7), text("2611281200", 10), text("2611281200", 10),
        text(word.submit.getDestterminalId()[0], 32), new byte[4], new byte[] {9, 9, 9, 9, 9});
    return bytes(bytes(word.id), text(word.submit.getSrcId(), 21), new byte[13],
        text(word.submit.getDestterminalId()[0], 32), new byte[] {0, 1, (byte) body.length}, body, new byte[20]);
  }

  private static void answer(Channel link, CmppSubmitRequestMessage submit, MsgId id) {
    var answer = new CmppSubmitResponseMessage(submit.getHeader().getSequenceId());
    answer.setMsgId(id);
    answer.setResult(0);
    ChannelFuture written = link.writeAndFlush(answer);
    written.addListener(future -> {
      if (future.isSuccess()) {
        answered(link, id);
      }
    });
  }

  private static void answered(Channel link, MsgId id) {
    note("\"event\":\"answered\",\"id\":\"" + hex(id) + "\",\"link\":\"" + link.id() + "\"");
  }

  private static void close(Channel link) {
    note("\"event\":\"closed\",\"link\":\"" + link.id() + "\"");
    link.close();
  }

  private static void refuse(Channel link, CmppSubmitRequestMessage submit, int result) {
    note(part("refused", submit) + ",\"result\":" + result);
    var answer = new CmppSubmitResponseMessage(submit.getHeader().getSequenceId());
    answer.setMsgId(new MsgId(0L));
    answer.setResult(result);
    link.writeAndFlush(answer);
  }

  /** Say the next state of a message, over this link or, if it is gone, over any other. */
  private static void report(Word word, Channel link) {
    Channel way = link != null && link.isActive() ? link : links.stream().filter(Channel::isActive).findAny().orElse(null);
    String stat;
    synchronized (word) { // with its acknowledgement, which may come while the report is about to be said again
      stat = word.states.peek();
      if (stat == null) {
        return; // acknowledged by now
      }
      word.link = way;
      due.put(hex(word.id), word);
    }
    if (way == null) {
      return; // until somebody logs in
    }
    var state = new CmppReportRequestMessage();
    state.setMsgId(word.id);
    state.setStat(stat);
    state.setDestterminalId(word.submit.getDestterminalId()[0]);
    state.setSubmitTime("2611281200");
    state.setDoneTime("2611281200");
    state.setSmscSequence(0);
    var deliver = new CmppDeliverRequestMessage();
    deliver.setMsgId(word.id);
    deliver.setDestId(word.submit.getSrcId());
    deliver.setSrcterminalId(word.submit.getDestterminalId()[0]);
    deliver.setReportRequestMessage(state);
    way.writeAndFlush(deliver);
  }

  private static void acknowledged(CmppDeliverResponseMessage answer) {
    String id = hex(answer.getMsgId());
    note("\"event\":\"acknowledged\",\"id\":\"" + id + "\",\"result\":" + answer.getResult());
    if (answer.getResult() != 0) {
      return;
    }
    Word word = due.get(id);
    if (word == null) {
      return;
    }
    synchronized (word) {
      word.states.poll();
      due.remove(id);
    }
    report(word, word.link); // the next state, if there is one
  }

  /** Reports whose link went away before they were acknowledged. */
  private static void sayAgain() {
    for (Word word : due.values()) {
      if (word.link == null || !word.link.isActive()) {
        report(word, word.link);
      }
    }
  }

  private static void raw(Channel link, int command, int sequence, byte[] body) {
    ByteBuffer frame = ByteBuffer.allocate(12 + body.length);
    frame.putInt(12 + body.length).putInt(command).putInt(sequence).put(body).flip();
    link.pipeline().firstContext().writeAndFlush(Unpooled.wrappedBuffer(frame)); // past every codec
  }

  private static void after(int milliseconds, Runnable work) {
    later.schedule(work, milliseconds, TimeUnit.MILLISECONDS);
  }

  private static String part(String event, CmppSubmitRequestMessage submit) {
    return "\"event\":\"" + event + "\",\"recipient\":\"" + submit.getDestterminalId()[0] + "\",\"part\":"
        + submit.getPknumber();
  }

  private static void note(String fields) {
    synchronized (lock) {
      if (log != null) {
        log.println("{" + fields + "}");
      }
    }
  }

  private static String hex(MsgId id) {
    return HexFormat.of().formatHex(bytes(id));
  }

  private static byte[] bytes(MsgId id) {
    return DefaultMsgIdUtil.msgId2Bytes(id);
  }

  private static byte[] text(String value, int width) {
    return java.util.Arrays.copyOf(value.getBytes(StandardCharsets.US_ASCII), width);
  }

  private static byte[] bytes(byte[]... pieces) {
    var all = new java.io.ByteArrayOutputStream();
    for (byte[] piece : pieces) {
      all.writeBytes(piece);
    }
    return all.toByteArray();
  }
}
