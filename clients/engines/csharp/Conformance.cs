// The conformance pack, step by step: see ../conformance/README.md.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Text;
using WonderZoom;

sealed class Conformance
{
    readonly string pack, vectors;
    int checks;

    public Conformance(string pack, string vectors) { this.pack = pack; this.vectors = vectors; }

    public int Run(string picture)
    {
        var steps = new Dictionary<string, Action>
        {
            { "1 messages", Messages }, { "2 refused messages", RefusedMessages }, { "3 surfels", Surfels }, { "4 refused surfels", RefusedSurfels },
            { "5 laws", Laws }, { "6 cells", Cells }, { "7 axes", Axes }, { "8 splats", Splats }, { "9 picture", () => Picture(picture) },
        };
        int failed = 0;
        foreach (var step in steps)
        {
            checks = 0;
            try
            {
                step.Value();
                Console.WriteLine("ok      {0}: {1} checks", step.Key, checks);
            }
            catch (Exception error)
            {
                failed++;
                Console.WriteLine("FAILED  {0}: {1}", step.Key, error is Failure ? error.Message : error.ToString());
            }
        }
        return failed == 0 ? 0 : 1;
    }

    // ---- steps ------------------------------------------------------------------------------------------------

    void Messages()
    {
        foreach (var direction in new[] { "from_client", "from_server" })
            foreach (Map vector in Vectors(direction))
            {
                var bytes = Hex(vector.Text("hex"));
                var encoded = MsgPack.Encode(vector.Fields("message"));
                // Servers may write a size in more bytes than it needs.
                if (direction == "from_client") Check(Same(encoded, bytes), vector.Text("name") + " is encoded otherwise");
                Check(Same(MsgPack.Encode(MsgPack.Decode(bytes)), encoded), vector.Text("name") + " is decoded otherwise");
            }
    }

    void RefusedMessages()
    {
        // What is no MessagePack is refused here; what is no message of the protocol, where its fields are read.
        foreach (Map vector in Vectors("invalid_from_server"))
        {
            checks++; // any other exception than this one fails
            try
            {
                var message = MsgPack.Decode(Hex(vector.Text("hex")));
                if (message.Text("type") == "surfels") new SurfelScene().Take(message, 0);
            }
            catch (ProtocolException) { }
        }
    }

    void Surfels()
    {
        foreach (Map vector in Vectors("surfel_blocks"))
        {
            var name = vector.Text("name");
            var block = SurfelBlock.Decode(Hex(vector.Text("payload")));
            block.SetBounds(Hex(vector.Text("bounds")));
            Check(block.Count == vector.Whole("count"), name + " has another count");
            Close(block.Means, vector.Items("means"), name + ": means");
            Close(block.Quats, vector.Items("quats"), name + ": quats");
            Close(block.LnSizes, vector.Items("log_scales"), name + ": sizes");
            Close(block.Opacities, vector.Items("opacities"), name + ": opacities");
            Close(block.Native, vector.Items("native"), name + ": native scales");
            Close(block.Colors, vector.Items("colors"), name + ": colours");
            Close(block.Parent, vector.Items("parent"), name + ": parents", double.PositiveInfinity);
            Close(block.Child, vector.Items("child"), name + ": children", double.NegativeInfinity);
        }
    }

    void RefusedSurfels()
    {
        foreach (Map vector in Vectors("invalid_surfel_blocks"))
        {
            bool refused = false;
            try
            {
                if (vector.Has("payload")) SurfelBlock.Decode(Hex(vector.Text("payload")));
                else Empty((int)vector.Whole("count")).SetBounds(Hex(vector.Text("bounds")));
            }
            catch (ProtocolException) { refused = true; }
            Check(refused, "taken: " + vector.Text("name"));
        }
    }

    static SurfelBlock Empty(int count)
    {
        return new SurfelBlock { Count = count, Native = new float[count], Parent = new float[count], Child = new float[count] };
    }

    void Laws()
    {
        var laws = (Map)Json.Read(Path.Combine(pack, "laws.json"));
        foreach (Map v in laws.Items("weight"))
            Close(Scales.Weight(v.Number("r"), v.Number("x"), v.Has("parent") ? v.Number("parent") : double.PositiveInfinity,
                v.Has("child") ? v.Number("child") : double.NegativeInfinity, v.Number("residency"), v.Number("child_residency")), v.Number("weight"), "a weight");
        foreach (Map v in laws.Items("share"))
            Close(Scales.Share(v.Number("octaves"), (int)v.Whole("level"), (int)v.Whole("finest"), (int)v.Whole("coarsest")), v.Number("share"), "a share");
        Close(Scales.MaxOpacity, laws.Number("max_opacity"), "the largest opacity");
        Close(Scales.Li2Max, laws.Number("li2_max"), "its mass");
        foreach (Map v in laws.Items("li2")) Close(Scales.Li2(v.Number("opacity")), v.Number("mass"), "a mass");
        foreach (Map v in laws.Fields("inverse_li2_table").Items("entries")) Close(Scales.InverseLi2[v.Whole("i")], v.Number("opacity"), "an entry of the table");
        foreach (Map v in laws.Items("modulated")) Close(Scales.Modulate(v.Number("opacity"), v.Number("weight")), v.Number("modulated"), "a modulated opacity");
    }

    void Cells()
    {
        foreach (Map v in (List<object>)Json.Read(Path.Combine(pack, "frames.json")))
        {
            var camera = Camera.Read(v.Fields("camera"));
            Close(camera.Rotation(), v.Items("rotation"), v.Text("name") + ": rotation");
            foreach (Map each in v.Items("cells"))
            {
                var frame = camera.FrameOf(Cell.Read(each.Fields("cell")), v.Number("h_ref"));
                Close(frame.Origin, each.Items("origin"), v.Text("name") + ": origin");
                Close(frame.Edge, each.Number("edge"), v.Text("name") + ": edge");
                Close(frame.Scale, each.Number("scale"), v.Text("name") + ": scale");
            }
            foreach (Map each in v.Items("places"))
                Close(Seen(camera, each.Fields("place")), new List<object> { each.Number("u"), each.Number("v"), each.Number("w") }, v.Text("name") + ": a place");
            foreach (Map each in v.Items("motions"))
            {
                var moved = Moved(camera, each);
                var places = v.Items("places");
                for (int i = 0; i < places.Count; i++)
                    Close(Seen(moved, ((Map)places[i]).Fields("place")), (List<object>)each.Items("seen")[i], v.Text("name") + ": after a " + each.Text("motion"));
            }
        }
    }

    static Camera Moved(Camera camera, Map motion)
    {
        switch (motion.Text("motion"))
        {
            case "zoom": return camera.Zoomed(motion.Number("factor"));
            case "orbit": return camera.Orbited(motion.Number("yaw"), motion.Number("pitch"));
            default: return camera.Panned(motion.Number("dx"), motion.Number("dy"));
        }
    }

    /// <summary>u, v and w of a place.</summary>
    static double[] Seen(Camera camera, Map place)
    {
        var offset = place.Numbers("offset", 3);
        var frame = camera.FrameOf(Cell.Read(place.Fields("cell")), 1);
        var p = Camera.Turned(camera.Rotation(), offset[0] - 0.5, offset[1] - 0.5, offset[2] - 0.5);
        for (int axis = 0; axis < 3; axis++) p[axis] = p[axis] * frame.Edge + frame.Origin[axis];
        double w = 1 + p[2] * camera.InverseF;
        return new[] { Math.Exp(camera.LnFx - camera.LnF) * p[0] / w + camera.Cx, Math.Exp(camera.LnFy - camera.LnF) * p[1] / w + camera.Cy, w };
    }

    void Axes()
    {
        var all = (Map)Json.Read(Path.Combine(pack, "axes.json"));
        foreach (var each in new Dictionary<string, EngineAxes> { { "unity", EngineAxes.Unity }, { "unreal", EngineAxes.Unreal }, { "godot", EngineAxes.Godot } })
        {
            var engine = all.Fields(each.Key);
            foreach (Map v in engine.Items("points")) Close(each.Value.Point(v.Numbers("wire", 3)), v.Items("engine"), each.Key + ": a point");
            foreach (Map v in engine.Items("surfels")) Close(each.Value.Quaternion(v.Numbers("wire", 4)), v.Items("engine"), each.Key + ": a surfel");
            foreach (Map v in engine.Items("cameras")) Close(each.Value.CameraQuaternion(v.Numbers("wire", 4)), v.Items("engine"), each.Key + ": a camera");
        }
    }

    void Splats()
    {
        var scene = (Map)Json.Read(Path.Combine(pack, "scene.json"));
        Map welcome;
        Camera camera;
        var drawn = Scene(scene, out welcome, out camera);
        var projection = new Projection(camera, welcome.Number("h_ref"), welcome.Text("metric", "depth") == "radial");
        foreach (Map v in scene.Items("splats"))
        {
            var name = "a splat of " + v.Text("hash");
            var level = drawn.Find(each => Same(each.Hash, Hex(v.Text("hash"))));
            Check(level != null, name + ": it is not drawn");
            var splats = new List<Splat>();
            var rows = new List<int>();
            projection.Add(level, splats, rows);
            int i = rows.IndexOf((int)v.Whole("row"));
            Check(i >= 0, name + ": its row is not drawn");
            Close(new[] { splats[i].U, splats[i].V, splats[i].Xx, splats[i].Xy, splats[i].Yy, splats[i].Opacity, splats[i].Key },
                new List<object> { v.Number("u"), v.Number("v"), v.Number("xx"), v.Number("xy"), v.Number("yy"), v.Number("opacity"), v.Number("key") }, name);
        }
    }

    void Picture(string path)
    {
        var scene = (Map)Json.Read(Path.Combine(pack, "scene.json"));
        Map welcome;
        Camera camera;
        var drawn = Scene(scene, out welcome, out camera);
        var told = scene.Fields("picture");
        var picture = Painter.Draw(drawn, camera, welcome);
        if (path != null) Painter.Save(path, picture, camera.Width, camera.Height);
        var wanted = Png.Read(Path.Combine(pack, told.Text("file")), camera.Width, camera.Height);
        double sum = 0;
        for (int i = 0; i < picture.Length; i++) sum += (picture[i] - wanted[i]) * (picture[i] - wanted[i]);
        double decibels = 10 * Math.Log10(255.0 * 255.0 / Math.Max(sum / picture.Length, 1e-9));
        Console.WriteLine("        {0} dB", decibels.ToString("F1", CultureInfo.InvariantCulture));
        Check(decibels >= told.Number("least_db"), "another picture");
    }

    static List<Drawn> Scene(Map scene, out Map welcome, out Camera camera)
    {
        var messages = scene.Fields("messages");
        welcome = MsgPack.Decode(Hex(messages.Text("welcome")));
        camera = Camera.Read((Map)MsgPack.Decode(Hex(messages.Text("camera"))).Items("cameras")[0]);
        var held = new SurfelScene();
        held.Take(MsgPack.Decode(Hex(messages.Text("surfels"))), 0);
        return held.DrawnAt(1);
    }

    // ---- comparing --------------------------------------------------------------------------------------------

    sealed class Failure : Exception { public Failure(string message) : base(message) { } }

    IEnumerable Vectors(string name) { return (List<object>)Json.Read(Path.Combine(vectors, name + ".json")); }

    void Check(bool right, string what)
    {
        checks++;
        if (!right) throw new Failure(what);
    }

    void Close(double got, double want, string what)
    {
        Check(got == want || Math.Abs(got - want) <= 1e-6 * (1 + Math.Abs(want)), what + ": " + got.ToString("R") + ", not " + want.ToString("R"));
    }

    /// <summary>A column against rows of numbers; `none` stands for null.</summary>
    void Close(IList got, List<object> want, string what, double none = double.NaN)
    {
        var flat = new List<double>();
        foreach (var row in want)
            foreach (var value in row as List<object> ?? new List<object> { row }) flat.Add(value == null ? none : Convert.ToDouble(value));
        Check(flat.Count == got.Count, what + ": another number of them");
        for (int i = 0; i < flat.Count; i++) Close(Convert.ToDouble(got[i]), flat[i], what + " " + i);
    }

    static bool Same(byte[] a, byte[] b) { return Convert.ToBase64String(a) == Convert.ToBase64String(b); }

    public static byte[] Hex(string text)
    {
        var bytes = new byte[text.Length / 2];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = Convert.ToByte(text.Substring(2 * i, 2), 16);
        return bytes;
    }
}

/// <summary>JSON as vectors are written, to what messages are made of; {"bin": hex} is bytes.</summary>
sealed class Json
{
    readonly string text;
    int at;

    Json(string text) { this.text = text; }

    public static object Read(string path) { return new Json(File.ReadAllText(path)).Value(); }

    char Next() { while (char.IsWhiteSpace(text[at])) at++; return text[at]; }

    object Value()
    {
        switch (Next())
        {
            case '{': return Fields();
            case '[': return Items();
            case '"': return Text();
            case 't': at += 4; return true;
            case 'f': at += 5; return false;
            case 'n': at += 4; return null;
        }
        int start = at;
        while (at < text.Length && "+-0123456789.eE".IndexOf(text[at]) >= 0) at++;
        var number = text.Substring(start, at - start);
        if (number.IndexOfAny(new[] { '.', 'e', 'E' }) < 0) return long.Parse(number, CultureInfo.InvariantCulture);
        return double.Parse(number, CultureInfo.InvariantCulture);
    }

    object Fields()
    {
        var map = new Map();
        for (at++; Next() != '}';)
        {
            var name = Text();
            Next();
            at++; // the colon
            map.Add(name, Value());
            if (Next() == ',') { at++; Next(); }
        }
        at++;
        return map.Count == 1 && map.Has("bin") ? Conformance.Hex(map.Text("bin")) : (object)map;
    }

    List<object> Items()
    {
        var items = new List<object>();
        for (at++; Next() != ']';)
        {
            items.Add(Value());
            if (Next() == ',') { at++; Next(); }
        }
        at++;
        return items;
    }

    string Text()
    {
        var found = new StringBuilder();
        for (at++; text[at] != '"'; at++)
        {
            if (text[at] != '\\') { found.Append(text[at]); continue; }
            at++;
            if (text[at] == 'u') { found.Append((char)Convert.ToInt32(text.Substring(at + 1, 4), 16)); at += 4; }
            else found.Append("\"\\/\b\f\n\r\t"["\"\\/bfnrt".IndexOf(text[at])]);
        }
        at++;
        return found.ToString();
    }
}

/// <summary>PNG of 8-bit RGB, not interlaced.</summary>
static class Png
{
    public static byte[] Read(string path, int width, int height)
    {
        var file = File.ReadAllBytes(path);
        var packed = new MemoryStream();
        for (int at = 8; at < file.Length;)
        {
            int size = file[at] << 24 | file[at + 1] << 16 | file[at + 2] << 8 | file[at + 3];
            if (Encoding.ASCII.GetString(file, at + 4, 4) == "IDAT") packed.Write(file, at + 8, size);
            at += 12 + size;
        }
        packed.Position = 2; // behind the head of the zlib stream
        var raw = new MemoryStream();
        using (var stream = new DeflateStream(packed, CompressionMode.Decompress)) stream.CopyTo(raw);
        var rows = raw.ToArray();
        int row = 3 * width;
        if (rows.Length != height * (row + 1)) throw new InvalidDataException(path + " is no picture of this kind");
        var picture = new byte[height * row];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < row; x++)
            {
                int left = x < 3 ? 0 : picture[y * row + x - 3], up = y == 0 ? 0 : picture[(y - 1) * row + x];
                int corner = x < 3 || y == 0 ? 0 : picture[(y - 1) * row + x - 3];
                picture[y * row + x] = (byte)(rows[y * (row + 1) + 1 + x] + Guess(rows[y * (row + 1)], left, up, corner));
            }
        return picture;
    }

    static int Guess(int filter, int left, int up, int corner)
    {
        switch (filter)
        {
            case 0: return 0;
            case 1: return left;
            case 2: return up;
            case 3: return (left + up) / 2;
        }
        int a = Math.Abs(up - corner), b = Math.Abs(left - corner), c = Math.Abs(left + up - 2 * corner);
        return a <= b && a <= c ? left : b <= c ? up : corner;
    }
}
