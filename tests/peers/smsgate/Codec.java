// SMSGate's codecs, one line a frame: "KIND HEX" in, "CLASS HEX" out, where HEX is the message that SMSGate read,
// written again by it; or "ERROR cause".

import com.zx.sms.connect.manager.cmpp.CMPPCodecChannelInitializer;
import com.zx.sms.connect.manager.sgip.SgipCodecChannelInitializer;
import com.zx.sms.connect.manager.smgp.SMGPCodecChannelInitializer;
import com.zx.sms.connect.manager.smpp.SMPPClientEndpointEntity;
import com.zx.sms.connect.manager.smpp.SMPPCodecChannelInitializer;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

public final class Codec {
    private static final Map<String, Supplier<ChannelInitializer<Channel>>> KINDS = Map.of(
        "cmpp2", () -> new CMPPCodecChannelInitializer(0x20),
        "cmpp3", () -> new CMPPCodecChannelInitializer(0x30),
        "sgip", SgipCodecChannelInitializer::new,
        "smgp", () -> new SMGPCodecChannelInitializer(0x30),
        "smpp", () -> new SMPPCodecChannelInitializer(new SMPPClientEndpointEntity()));

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err); // SMSGate's own words
        BufferedReader frames = new BufferedReader(new InputStreamReader(System.in));
        answers.println("ready");
        for (String line = frames.readLine(); line != null; line = frames.readLine()) {
            String[] words = line.split(" ");
            answers.println(again(words[0], ByteBufUtil.decodeHexDump(words[1])));
        }
    }

    // The codecs are put before a handler of their protocol's name.
    private static EmbeddedChannel channel(String kind) {
        EmbeddedChannel channel = new EmbeddedChannel();
        for (String name : new HashSet<>(List.of(
            CMPPCodecChannelInitializer.pipeName(),
            SgipCodecChannelInitializer.pipeName(),
            SMGPCodecChannelInitializer.pipeName(),
            SMPPCodecChannelInitializer.pipeName()))) {
            channel.pipeline().addLast(name, new ChannelDuplexHandler());
        }
        channel.pipeline().addFirst(KINDS.get(kind).get());
        return channel;
    }

    private static String again(String kind, byte[] frame) {
        EmbeddedChannel reader = channel(kind);
        EmbeddedChannel writer = channel(kind);
        try {
            reader.writeInbound(Unpooled.wrappedBuffer(frame));
            Object message = reader.readInbound();
            if (message == null) {
                return "ERROR nothing was read";
            }
            writer.writeOutbound(message);
            ByteBuf written = writer.readOutbound();
            return message.getClass().getSimpleName() + " " + ByteBufUtil.hexDump(written);
        } catch (Exception error) {
            return "ERROR " + error;
        }
    }
}
