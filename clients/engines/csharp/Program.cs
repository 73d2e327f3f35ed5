// Runs the conformance pack, or looks into a live world and zooms it once:
//
//   mcs -out:wonderzoom.exe -r:System.Numerics.dll WonderZoom.cs Conformance.cs Program.cs
//   mono wonderzoom.exe conformance ../conformance ../../../protocol/vectors [picture.ppm]
//   mono wonderzoom.exe live http://127.0.0.1:8123/#token=... FOLDER
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using WonderZoom;

static class Program
{
    static int Main(string[] arguments)
    {
        if (arguments.Length >= 3 && arguments[0] == "conformance")
            return new Conformance(arguments[1], arguments[2]).Run(arguments.Length > 3 ? arguments[3] : null);
        if (arguments.Length == 3 && arguments[0] == "live")
        {
            using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90)))
                Live(arguments[1], arguments[2], patience.Token).GetAwaiter().GetResult();
            return 0;
        }
        Console.Error.WriteLine("wonderzoom.exe conformance PACK VECTORS [PICTURE] | live LINK FOLDER");
        return 2;
    }

    /// <summary>Takes the surfels of the first view, zooms, takes what is new; leaves two pictures and their cameras.</summary>
    static async Task Live(string link, string folder, CancellationToken stop)
    {
        var clock = Stopwatch.StartNew();
        using (var connection = await Connection.Open(link, "console", stop))
        {
            var scene = new SurfelScene();
            var camera = Camera.Read(connection.Welcome.Fields("camera")).Resized(96, 72);
            await connection.Send(new Map { { "type", "configure" }, { "stream", "surfels" }, { "surfel_budget", 200000 } }, stop);
            await Look(connection, 1, camera, stop);
            while (!(scene.Complete && scene.CameraSeq >= 1)) await Hear(connection, scene, clock, stop);
            Save(folder, "first", connection, scene, camera, clock);

            var closer = camera.Zoomed(4.0);
            await Look(connection, 2, closer, stop);
            await connection.Send(new Map { { "type", "zoom" }, { "request", "z1" }, { "camera", closer.Write() }, { "prompt", "moss" } }, stop);
            long revision = long.MaxValue;
            while (!(scene.Complete && scene.CameraSeq >= 2 && scene.Revision >= revision))
            {
                var heard = await Hear(connection, scene, clock, stop);
                if (heard.Text("type") == "error") throw new ProtocolException(heard.Text("message"));
                if (heard.Text("type") != "zoom_status" || heard.Text("request") != "z1") continue;
                var state = heard.Text("state");
                Console.WriteLine("zoom {0}", state);
                if (state == "failed" || state == "cancelled") throw new ProtocolException("the zoom has " + state);
                if (state == "committed") revision = heard.Whole("revision");
            }
            Save(folder, "zoomed", connection, scene, closer, clock);
            await connection.Send(new Map { { "type", "bye" } }, stop);
        }
    }

    static Task Look(Connection connection, long seq, Camera camera, CancellationToken stop)
    {
        return connection.Send(new Map { { "type", "camera" }, { "seq", seq }, { "cameras", new List<object> { camera.Write() } } }, stop);
    }

    /// <summary>The next message, obeyed and acknowledged if it is a delta of surfels.</summary>
    static async Task<Map> Hear(Connection connection, SurfelScene scene, Stopwatch clock, CancellationToken stop)
    {
        var message = await connection.Receive(stop);
        if (message.Text("type") == "surfels")
        {
            scene.Take(message, clock.Elapsed.TotalSeconds);
            await connection.Send(new Map { { "type", "ack" }, { "delta", message.Whole("delta") } }, stop);
        }
        return message;
    }

    /// <summary>What is seen when all fades are over.</summary>
    static void Save(string folder, string name, Connection connection, SurfelScene scene, Camera camera, Stopwatch clock)
    {
        var drawn = scene.DrawnAt(clock.Elapsed.TotalSeconds + SurfelScene.FadeSeconds);
        var picture = Painter.Draw(drawn, camera, connection.Welcome);
        Painter.Save(Path.Combine(folder, name + ".ppm"), picture, camera.Width, camera.Height);
        File.WriteAllBytes(Path.Combine(folder, name + ".camera"), MsgPack.Encode(camera.Write()));
        Console.WriteLine("{0}: {1} surfels in {2} levels, revision {3}", name, scene.Count, drawn.Count, scene.Revision);
    }
}

/// <summary>Splats to a picture, on the processor: for tests, not for eyes in motion.</summary>
static class Painter
{
    public static byte[] Draw(List<Drawn> drawn, Camera camera, Map welcome)
    {
        var projection = new Projection(camera, welcome.Number("h_ref"), welcome.Text("metric", "depth") == "radial");
        var splats = new List<Splat>();
        var colors = new List<int>();
        foreach (var level in drawn)
        {
            var rows = new List<int>();
            projection.Add(level, splats, rows);
            foreach (var row in rows)
            {
                var c = level.Surfels.Colors;
                colors.Add(c[3 * row] | c[3 * row + 1] << 8 | c[3 * row + 2] << 16);
            }
        }
        var order = new int[splats.Count];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(order, (a, b) => splats[a].Key != splats[b].Key ? splats[b].Key.CompareTo(splats[a].Key) : b.CompareTo(a));
        var background = welcome.Has("background") ? welcome.Numbers("background", 3) : new double[3];
        var canvas = new double[3 * camera.Width * camera.Height];
        for (int i = 0; i < canvas.Length; i++) canvas[i] = background[i % 3];
        foreach (var i in order) Blend(canvas, splats[i], colors[i], camera);
        return Array.ConvertAll(canvas, value => (byte)Math.Round(255 * Math.Max(0, Math.Min(1, value))));
    }

    static void Blend(double[] canvas, Splat s, int color, Camera camera)
    {
        double reach = Math.Sqrt(2 * Math.Log(s.Opacity / Projection.MinAlpha)), det = s.Xx * s.Yy - s.Xy * s.Xy;
        double reachU = reach * Math.Sqrt(s.Xx), reachV = reach * Math.Sqrt(s.Yy);
        int left = (int)Math.Max(0, Math.Ceiling(s.U - reachU - 0.5)), right = (int)Math.Min(camera.Width - 1, Math.Floor(s.U + reachU - 0.5));
        int top = (int)Math.Max(0, Math.Ceiling(s.V - reachV - 0.5)), bottom = (int)Math.Min(camera.Height - 1, Math.Floor(s.V + reachV - 0.5));
        for (int y = top; y <= bottom; y++)
            for (int x = left; x <= right; x++)
            {
                double dx = x + 0.5 - s.U, dy = y + 0.5 - s.V;
                double alpha = s.Opacity * Math.Exp(-0.5 * (s.Yy * dx * dx - 2 * s.Xy * dx * dy + s.Xx * dy * dy) / det);
                if (alpha < Projection.MinAlpha) continue;
                alpha = Math.Min(alpha, Projection.MaxAlpha);
                int at = 3 * (y * camera.Width + x);
                for (int channel = 0; channel < 3; channel++)
                    canvas[at + channel] += alpha * ((color >> 8 * channel & 255) / 255.0 - canvas[at + channel]);
            }
    }

    public static void Save(string path, byte[] picture, int width, int height)
    {
        using (var file = File.Create(path))
        {
            var head = System.Text.Encoding.ASCII.GetBytes("P6 " + width + " " + height + " 255\n");
            file.Write(head, 0, head.Length);
            file.Write(picture, 0, picture.Length);
        }
    }
}
