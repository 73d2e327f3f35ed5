// WonderZoom's surfels for engines that speak C#, in one file without dependencies (C# 7, .NET Standard 2.0 or mono).
//
//   MsgPack, Map      messages of PROTOCOL.md: ordered maps, lists, numbers, text, bytes
//   SurfelBlock       payloads and bounds, `surfel_format` 1 (section 8)
//   Scales            Eq. 3, shares of levels, optical mass (section 9)
//   Cell, Camera      places of any depth, frames of cells (section 4)
//   Projection        a surfel as a Gaussian on the screen, what a shader does (section 9, "Weights")
//   SurfelScene       what a server's deltas say is shown, with fades (section 9)
//   EngineAxes        Unity's, Unreal's and Godot's axes
//   Connection        a websocket; define WONDERZOOM_NO_SOCKET where there is no ClientWebSocket
//
// clients/engines/conformance says with numbers what all of it has to give; Program.cs runs that.
// Lengths are in edges of a cell or in native pixels at the camera's pivot, logarithms natural, quaternions w, x, y, z.
using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Numerics;
using System.Text;
#if !WONDERZOOM_NO_SOCKET
using System.Net.WebSockets;
using System.Threading;
using System.Threading.Tasks;
#endif

namespace WonderZoom
{
    /// <summary>Bytes that no server of the protocol sends.</summary>
    public sealed class ProtocolException : Exception
    {
        public ProtocolException(string message) : base(message) { }
    }

    // ---- messages ---------------------------------------------------------------------------------------------

    /// <summary>A map that keeps the order of its fields. Values: null, bool, long, double, string, byte[], Map, List of these.</summary>
    public sealed class Map : IEnumerable<KeyValuePair<string, object>>
    {
        readonly List<string> order = new List<string>();
        readonly Dictionary<string, object> fields = new Dictionary<string, object>();

        public int Count { get { return order.Count; } }

        public void Add(string name, object value)
        {
            if (!fields.ContainsKey(name)) order.Add(name);
            fields[name] = value;
        }

        public IEnumerator<KeyValuePair<string, object>> GetEnumerator()
        {
            foreach (var name in order) yield return new KeyValuePair<string, object>(name, fields[name]);
        }

        IEnumerator IEnumerable.GetEnumerator() { return GetEnumerator(); }

        /// <summary>Whether the field is there and not nil.</summary>
        public bool Has(string name) { object value; return fields.TryGetValue(name, out value) && value != null; }

        public string Text(string name, string without = null) { return Get(name, without); }
        public byte[] Bytes(string name, byte[] without = null) { return Get(name, without); }
        public Map Fields(string name) { return Get<Map>(name, null); }
        public bool Flag(string name) { return Has(name) && Get<object>(name, null).Equals(true); }

        /// <summary>A list; an empty one where the field is left out.</summary>
        public List<object> Items(string name) { return Get(name, new List<object>()); }

        /// <summary>A list of maps.</summary>
        public IEnumerable<Map> Maps(string name)
        {
            foreach (var item in Items(name))
            {
                var map = item as Map;
                if (map == null) throw new ProtocolException(name + " holds something else than maps");
                yield return map;
            }
        }

        /// <summary>A list of names of 16 bytes.</summary>
        public IEnumerable<byte[]> Hashes(string name)
        {
            foreach (var item in Items(name)) yield return HashOf(item as byte[], name);
        }

        public byte[] Hash(string name) { return HashOf(Bytes(name), name); }

        static byte[] HashOf(byte[] bytes, string name)
        {
            if (bytes == null || bytes.Length != 16) throw new ProtocolException(name + " is no name of 16 bytes");
            return bytes;
        }

        /// <summary>A whole number or a float, which a peer may write either way.</summary>
        public double Number(string name, double? without = null) { return NumberOf(Get(name, (object)without)); }

        public long Whole(string name, long? without = null)
        {
            var value = Number(name, without);
            if (value != Math.Floor(value) || Math.Abs(value) > (1L << 53)) throw new ProtocolException(name + " is no whole number");
            return (long)value;
        }

        public double[] Numbers(string name, int count)
        {
            var items = Items(name);
            if (items.Count != count) throw new ProtocolException(name + " has " + items.Count + " numbers, not " + count);
            return items.ConvertAll(NumberOf).ToArray();
        }

        static double NumberOf(object value)
        {
            if (value is long) return (long)value;
            if (value is double && !double.IsNaN((double)value) && !double.IsInfinity((double)value)) return (double)value;
            throw new ProtocolException("not a number: " + value);
        }

        T Get<T>(string name, T without) where T : class
        {
            object value;
            fields.TryGetValue(name, out value);
            if (value == null) value = without;
            var found = value as T;
            if (found == null) throw new ProtocolException("the field " + name + (value == null ? " is missing" : " is of another type"));
            return found;
        }
    }

    /// <summary>MessagePack, as far as the protocol uses it.</summary>
    public sealed class MsgPack
    {
        const int Deepest = 32;
        static readonly Encoding Utf8 = new UTF8Encoding(false, true);
        readonly byte[] data;
        int at, depth;

        MsgPack(byte[] bytes) { data = bytes; }

        /// <summary>A message: one map. Throws ProtocolException.</summary>
        public static Map Decode(byte[] bytes)
        {
            var reader = new MsgPack(bytes);
            var value = reader.Value() as Map;
            if (value == null || reader.at != bytes.Length) throw new ProtocolException("a message is one map");
            value.Text("type");
            return value;
        }

        public static byte[] Encode(Map message)
        {
            var target = new MemoryStream();
            Write(target, message);
            return target.ToArray();
        }

        object Value()
        {
            int type = Next(1)[0];
            if (type < 0x80) return (long)type;
            if (type < 0x90) return Fields(type & 15);
            if (type < 0xa0) return Items(type & 15);
            if (type < 0xc0) return Text(type & 31);
            if (type >= 0xe0) return (long)(sbyte)type;
            switch (type)
            {
                case 0xc0: return null;
                case 0xc2: return false;
                case 0xc3: return true;
                case 0xc4: return Next(Size(1));
                case 0xc5: return Next(Size(2));
                case 0xc6: return Next(Size(4));
                case 0xca: return (double)BitConverter.ToSingle(Native(4), 0);
                case 0xcb: return BitConverter.ToDouble(Native(8), 0);
                case 0xcc: return (long)Unsigned(1);
                case 0xcd: return (long)Unsigned(2);
                case 0xce: return (long)Unsigned(4);
                case 0xcf:
                    var large = Unsigned(8);
                    if (large > long.MaxValue) throw new ProtocolException("a number beyond 63 bits");
                    return (long)large;
                case 0xd0: return (long)(sbyte)Unsigned(1);
                case 0xd1: return (long)(short)Unsigned(2);
                case 0xd2: return (long)(int)Unsigned(4);
                case 0xd3: return (long)Unsigned(8);
                case 0xd9: return Text(Size(1));
                case 0xda: return Text(Size(2));
                case 0xdb: return Text(Size(4));
                case 0xdc: return Items(Size(2));
                case 0xdd: return Items(Size(4));
                case 0xde: return Fields(Size(2));
                case 0xdf: return Fields(Size(4));
                default: throw new ProtocolException("a type that the protocol does not use: " + type.ToString("x2"));
            }
        }

        byte[] Next(int count)
        {
            if (count > data.Length - at) throw new ProtocolException("the message ends too early");
            var part = new byte[count];
            Buffer.BlockCopy(data, at, part, 0, count);
            at += count;
            return part;
        }

        byte[] Native(int count)
        {
            var part = Next(count);
            if (BitConverter.IsLittleEndian) Array.Reverse(part);
            return part;
        }

        ulong Unsigned(int count)
        {
            ulong value = 0;
            foreach (var part in Next(count)) value = value << 8 | part;
            return value;
        }

        /// <summary>A length that the rest of the message can hold: each item has a byte at least.</summary>
        int Size(int count)
        {
            var size = Unsigned(count);
            if (size > (ulong)(data.Length - at)) throw new ProtocolException("the message ends too early");
            return (int)size;
        }

        string Text(int count)
        {
            try { return Utf8.GetString(Next(count)); }
            catch (ArgumentException) { throw new ProtocolException("a text that is no UTF-8"); }
        }

        List<object> Items(int count)
        {
            if (++depth > Deepest) throw new ProtocolException("nested too deep");
            var items = new List<object>();
            while (items.Count < count) items.Add(Value());
            depth--;
            return items;
        }

        Map Fields(int count)
        {
            if (++depth > Deepest) throw new ProtocolException("nested too deep");
            var map = new Map();
            for (int i = 0; i < count; i++)
            {
                var name = Value() as string;
                if (name == null) throw new ProtocolException("a field without a name");
                map.Add(name, Value());
            }
            depth--;
            return map;
        }

        static void Write(Stream to, object value)
        {
            if (value == null) to.WriteByte(0xc0);
            else if (value is bool) to.WriteByte((bool)value ? (byte)0xc3 : (byte)0xc2);
            else if (value is int) WriteWhole(to, (int)value);
            else if (value is long) WriteWhole(to, (long)value);
            else if (value is double) { to.WriteByte(0xcb); WriteUnsigned(to, (ulong)BitConverter.DoubleToInt64Bits((double)value), 8); }
            else if (value is string)
            {
                var bytes = Utf8.GetBytes((string)value);
                WriteHead(to, bytes.Length, 0xa0, 32, 0xd9);
                to.Write(bytes, 0, bytes.Length);
            }
            else if (value is byte[])
            {
                var bytes = (byte[])value;
                WriteHead(to, bytes.Length, 0, 0, 0xc4);
                to.Write(bytes, 0, bytes.Length);
            }
            else if (value is Map)
            {
                WriteHead(to, ((Map)value).Count, 0x80, 16, 0xdd); // 0xdd + 1: maps have no size of one byte
                foreach (var field in (Map)value) { Write(to, field.Key); Write(to, field.Value); }
            }
            else if (value is IList)
            {
                WriteHead(to, ((IList)value).Count, 0x90, 16, 0xdb); // 0xdb + 1: nor have lists
                foreach (var item in (IList)value) Write(to, item);
            }
            else throw new ArgumentException("no message holds a " + value.GetType());
        }

        static void WriteWhole(Stream to, long value)
        {
            if (value >= -32 && value < 128) { to.WriteByte((byte)value); return; }
            int size = 0;
            if (value >= 0) while (size < 3 && value >> (8 << size) != 0) size++;
            else while (size < 3 && value < -(1L << ((8 << size) - 1))) size++;
            to.WriteByte((byte)((value < 0 ? 0xd0 : 0xcc) + size));
            WriteUnsigned(to, (ulong)value, 1 << size);
        }

        /// <summary>The head of what has a size: within the type if below `few`, else of 1, 2 or 4 bytes.</summary>
        static void WriteHead(Stream to, int size, int small, int few, int wide)
        {
            bool bytes = wide == 0xd9 || wide == 0xc4;
            if (size < few) to.WriteByte((byte)(small | size));
            else if (bytes && size < 256) { to.WriteByte((byte)wide); WriteUnsigned(to, (ulong)size, 1); }
            else if (size < 65536) { to.WriteByte((byte)(wide + 1)); WriteUnsigned(to, (ulong)size, 2); }
            else { to.WriteByte((byte)(wide + 2)); WriteUnsigned(to, (ulong)size, 4); }
        }

        static void WriteUnsigned(Stream to, ulong value, int count)
        {
            for (int i = count - 1; i >= 0; i--) to.WriteByte((byte)(value >> 8 * i));
        }
    }

    // ---- surfels ----------------------------------------------------------------------------------------------

    /// <summary>The surfels of one level of a block, as a payload and bounds say (section 8).</summary>
    public sealed class SurfelBlock
    {
        public const int Format = 1, MaxSurfels = 1 << 15;
        const int Header = 32, NoBound = 255, Angles = 128;
        const double Range = 1.002, MaxLn = 12.5, Nearest = 0.34657359027997264;
        static readonly double BoundStep = Math.Log(Math.Log(1000.0) / Nearest) / (NoBound - 1);

        public int Count;
        public float[] Means; // 3 each: edges of the cell from its centre
        public float[] Quats; // 4 each: w x y z, the surfel's axes to the world; the third axis is the normal
        public float[] LnSizes; // 2 each: ln of the standard deviations along the first two axes, edges of the cell
        public float[] Native; // ln of the native scale, edges of the cell: x of Eq. 3
        public float[] Opacities; // in (0, 1]
        public byte[] Colors; // 3 each: sRGB
        public float[] Parent, Child; // +inf, -inf: there is none

        /// <summary>Throws ProtocolException. There are no parents and children until SetBounds.</summary>
        public static SurfelBlock Decode(byte[] payload)
        {
            if (payload.Length < Header) throw new ProtocolException("a payload of " + payload.Length + " bytes");
            uint count = BitConverter.ToUInt32(payload, 4);
            int bits = payload[1];
            if (payload[0] != Format || payload[2] != 0 || payload[3] != 0 || bits < 1 || bits > 16 || count < 1 || count > MaxSurfels)
                throw new ProtocolException("no payload of format 1");
            var steps = new double[6];
            for (int i = 0; i < 6; i++) steps[i] = BitConverter.ToSingle(payload, 8 + 4 * i);
            for (int i = 0; i < 6; i += 2)
                if (!(Math.Abs(steps[i]) <= MaxLn && steps[i + 1] >= 0 && steps[i + 1] <= MaxLn)) throw new ProtocolException("a column out of range");
            int n = (int)count;
            var columns = Inflate(payload, Header, 16 * n);
            for (int column = 6; column < 16; column++) Sum(columns, column * n, n);
            var block = new SurfelBlock
            {
                Count = n, Means = Places(columns, n, (1 << bits) - 1), Quats = new float[4 * n], LnSizes = new float[2 * n],
                Native = new float[n], Opacities = new float[n], Colors = new byte[3 * n], Parent = new float[n], Child = new float[n],
            };
            for (int i = 0; i < n; i++)
            {
                Turn(columns[6 * n + i], columns[7 * n + i], columns[8 * n + i], block.Quats, 4 * i);
                block.LnSizes[2 * i] = Ln(steps, 0, columns[9 * n + i]);
                block.LnSizes[2 * i + 1] = Ln(steps, 2, columns[10 * n + i]);
                block.Native[i] = Ln(steps, 4, columns[11 * n + i]);
                block.Opacities[i] = Math.Max(columns[12 * n + i], (byte)1) / 255f;
                for (int channel = 0; channel < 3; channel++) block.Colors[3 * i + channel] = columns[(13 + channel) * n + i];
                block.Parent[i] = float.PositiveInfinity;
                block.Child[i] = float.NegativeInfinity;
            }
            return block;
        }

        /// <summary>Where the surfels fade. Throws ProtocolException, and is then as it was.</summary>
        public void SetBounds(byte[] bounds)
        {
            var columns = Inflate(bounds, 0, 2 * Count);
            Sum(columns, 0, Count);
            Sum(columns, Count, Count);
            for (int i = 0; i < Count; i++)
            {
                Parent[i] = (float)(Native[i] + Distance(columns[i]));
                Child[i] = (float)(Native[i] - Distance(columns[Count + i]));
            }
        }

        static double Distance(byte number) { return number == NoBound ? double.PositiveInfinity : Nearest * Math.Exp(BoundStep * number); }

        static float Ln(double[] steps, int column, byte number)
        {
            double value = steps[column] + steps[column + 1] * number;
            if (value > MaxLn) throw new ProtocolException("a length beyond e^12.5");
            return (float)value;
        }

        static void Sum(byte[] bytes, int first, int count)
        {
            for (int i = first + 1; i < first + count; i++) bytes[i] += bytes[i - 1];
        }

        static float[] Places(byte[] columns, int n, int most)
        {
            var places = new float[3 * n];
            for (int axis = 0; axis < 3; axis++)
            {
                int place = 0;
                for (int i = 0; i < n; i++)
                {
                    int folded = columns[axis * n + i] << 8 | columns[(axis + 3) * n + i];
                    place = (place + (folded >> 1 ^ -(folded & 1))) & 65535;
                    if (place > most) throw new ProtocolException("a place beyond its bits");
                    places[3 * i + axis] = (float)(((double)place / most - 0.5) * Range);
                }
            }
            return places;
        }

        /// <summary>The least turn from z to the normal, after a turn about z.</summary>
        static void Turn(byte first, byte second, byte angle, float[] quats, int at)
        {
            double a = 2.0 * first / 255.0 - 1.0, b = 2.0 * second / 255.0 - 1.0, x = 0.5 * (a + b), y = 0.5 * (a - b);
            double z = 1.0 - Math.Abs(x) - Math.Abs(y), length = Math.Sqrt(x * x + y * y + z * z);
            double l = Math.Sqrt(2.0 + 2.0 * z / length), w = 0.5 * l, i = -y / length / l, j = x / length / l;
            double half = angle * (0.5 * Math.PI / Angles), cosine = Math.Cos(half), sine = Math.Sin(half);
            quats[at] = (float)(w * cosine);
            quats[at + 1] = (float)(i * cosine + j * sine);
            quats[at + 2] = (float)(j * cosine - i * sine);
            quats[at + 3] = (float)(w * sine);
        }

        /// <summary>Exactly `size` bytes of a zlib stream that ends with the data; never more than that in memory.</summary>
        static byte[] Inflate(byte[] data, int start, int size)
        {
            int length = data.Length - start;
            if (length < 7 || (data[start] & 15) != 8 || (data[start] << 8 | data[start + 1]) % 31 != 0 || (data[start + 1] & 32) != 0)
                throw new ProtocolException("no zlib stream");
            var bytes = new byte[size];
            try
            {
                using (var stream = new DeflateStream(new MemoryStream(data, start + 2, length - 6), CompressionMode.Decompress))
                {
                    int at = 0, got;
                    while (at < size && (got = stream.Read(bytes, at, size - at)) > 0) at += got;
                    if (at != size || stream.ReadByte() >= 0) throw new ProtocolException("a stream of another size than " + size);
                }
            }
            catch (Exception error) when (error is InvalidDataException || error is IOException) { throw new ProtocolException("no zlib stream"); }
            uint a = 1, b = 0;
            foreach (var part in bytes) { a = (a + part) % 65521; b = (b + a) % 65521; }
            int end = data.Length - 4; // a byte behind the stream would be taken for a part of its checksum, which is then wrong
            if ((b << 16 | a) != (uint)(data[end] << 24 | data[end + 1] << 16 | data[end + 2] << 8 | data[end + 3]))
                throw new ProtocolException("a stream with a wrong checksum");
            return bytes;
        }
    }

    // ---- laws of scale ----------------------------------------------------------------------------------------

    /// <summary>Eq. 3 with residency, shares of levels, and opacities that keep their optical mass.</summary>
    public static class Scales
    {
        public const double MaxOpacity = 0.9999, MipSharpness = 0.5, MipFade = 0.125, MipReach = MipSharpness + 0.5 * MipFade;
        public const int TableSize = 4096;
        public static readonly double Li2Max = Li2(MaxOpacity);
        /// <summary>Opacities at equal steps of mass from 0 to Li2Max: a texture for shaders.</summary>
        public static readonly double[] InverseLi2 = InverseTable();

        static double Clip(double value) { return Math.Max(0.0, Math.Min(1.0, value)); }

        /// <summary>Eq. 3: R up - R_child (1 - dn), in [0, 1], of a surfel of native scale x seen at the scale r.</summary>
        public static double Weight(double r, double x, double parent, double child, double residency = 1, double childResidency = 1)
        {
            double up = double.IsInfinity(parent) ? 1.0 : Clip((parent - r) / (parent - x));
            double down = double.IsInfinity(child) ? 1.0 : Clip((r - child) / (x - child));
            return Clip(residency * up - childResidency * (1.0 - down));
        }

        /// <summary>The share of a weight that a level of a pyramid has; `octaves`: log2 of a pixel in native pixels.</summary>
        public static double Share(double octaves, int level, int finest, int coarsest)
        {
            double near = Math.Max(finest, Math.Min(coarsest, octaves - MipSharpness));
            return Clip((MipReach - Math.Abs(near - level)) / MipFade);
        }

        /// <summary>The dilogarithm of an opacity: its optical mass.</summary>
        public static double Li2(double opacity)
        {
            bool reflected = opacity > 0.5;
            double z = reflected ? 1.0 - opacity : opacity, sum = 0.0, power = 1.0;
            for (int n = 1; n < 60; n++) { power *= z; sum += power / ((double)n * n); }
            if (!reflected) return sum;
            double whole = Math.PI * Math.PI / 6.0;
            return opacity >= 1.0 ? whole : whole - Math.Log(opacity) * Math.Log(1.0 - opacity) - sum;
        }

        /// <summary>The opacity that a surfel is drawn with at a weight: Li2^-1(weight Li2(opacity)).</summary>
        public static double Modulate(double opacity, double weight)
        {
            double full = Math.Min(opacity, MaxOpacity);
            if (weight >= 1.0) return full;
            double at = weight * Li2(full) / Li2Max * (TableSize - 1);
            int i = Math.Min(TableSize - 2, (int)at);
            return InverseLi2[i] + (at - i) * (InverseLi2[i + 1] - InverseLi2[i]);
        }

        static double[] InverseTable()
        {
            var table = new double[TableSize];
            for (int i = 1; i < TableSize; i++)
            {
                double low = table[i - 1], high = MaxOpacity, mass = Li2Max * i / (TableSize - 1);
                for (int k = 0; k < 50; k++)
                {
                    double middle = 0.5 * (low + high);
                    if (Li2(middle) < mass) low = middle; else high = middle;
                }
                table[i] = 0.5 * (low + high);
            }
            return table;
        }
    }

    // ---- places and cameras -----------------------------------------------------------------------------------

    /// <summary>A cube of the octree: edge 2^-Level root edges, low corner at (X, Y, Z) edges, exact at any depth.</summary>
    public sealed class Cell
    {
        const int Deepest = 2000, LongestIndex = 256; // of the protocol: nobody's numbers grow beyond
        public readonly int Level;
        public readonly BigInteger[] Index;

        public Cell(int level, BigInteger[] index) { Level = level; Index = index; }

        public static Cell Read(Map wire)
        {
            var index = new BigInteger[3];
            for (int axis = 0; axis < 3; axis++)
            {
                var bytes = (byte[])wire.Bytes("xyz".Substring(axis, 1)).Clone();
                if (bytes.Length < 1 || bytes.Length > LongestIndex) throw new ProtocolException("an index of " + bytes.Length + " bytes");
                Array.Reverse(bytes);
                index[axis] = new BigInteger(bytes);
            }
            var level = wire.Whole("level");
            if (Math.Abs(level) > Deepest) throw new ProtocolException("a cell of level " + level);
            return new Cell((int)level, index);
        }

        public Map Write()
        {
            var map = new Map { { "level", (long)Level } };
            for (int axis = 0; axis < 3; axis++)
            {
                var bytes = Index[axis].ToByteArray();
                Array.Reverse(bytes);
                map.Add("xyz".Substring(axis, 1), bytes);
            }
            return map;
        }

        /// <summary>From the low corner of `other` to the centre of this cell, in edges of `other`.</summary>
        public double[] CentreFrom(Cell other)
        {
            int finest = Math.Max(Level, other.Level);
            var centre = new double[3];
            for (int axis = 0; axis < 3; axis++) // in half edges of the finer of the two
                centre[axis] = ToDouble(((2 * Index[axis] + 1) << (finest - Level)) - (2 * other.Index[axis] << (finest - other.Level)), other.Level - finest - 1);
            return centre;
        }

        /// <summary>value 2^shift, for integers of any size.</summary>
        static double ToDouble(BigInteger value, int shift)
        {
            int excess = Math.Max(0, 8 * value.ToByteArray().Length - 128);
            return Shifted((double)(value >> excess), shift + excess);
        }

        /// <summary>value 2^shift; what leaves the floats ends at 1e300.</summary>
        public static double Shifted(double value, int shift)
        {
            int half = Math.Max(-1000, Math.Min(1000, shift)) / 2, rest = Math.Max(-1000, Math.Min(1000, shift)) - half;
            return Math.Max(-1e300, Math.Min(1e300, value * Math.Pow(2, half) * Math.Pow(2, rest)));
        }
    }

    /// <summary>How points of a cell become view coordinates: P = Edge R p + Origin, in native pixels at the pivot.</summary>
    public struct Frame
    {
        public double[] Origin; // of its centre
        public double Edge;
        public double Scale; // r = Scale + ln w - lod bias: ln s + ln(h / h_ref) - ln edge
    }

    /// <summary>A pinhole camera about a pivot (section 4); x right, y down, z forward.</summary>
    public sealed class Camera
    {
        public Cell Pivot;
        public double[] Offset, Quat; // of the pivot, from its cell's low corner in its edges; w x y z, world to camera
        public double LnDistance, LnFx, LnFy, Cx, Cy;
        public int Width, Height;

        public double LnF { get { return 0.5 * (LnFx + LnFy); } }
        public double InverseF { get { return LnF < 690 ? Math.Exp(-LnF) : 0.0; } }

        public static Camera Read(Map wire)
        {
            var pivot = wire.Fields("pivot");
            return new Camera
            {
                Pivot = Cell.Read(pivot.Fields("cell")), Offset = pivot.Numbers("offset", 3), Quat = wire.Numbers("quat", 4),
                LnDistance = wire.Number("ln_distance"), LnFx = wire.Number("ln_fx"), LnFy = wire.Number("ln_fy"),
                Cx = wire.Number("cx"), Cy = wire.Number("cy"), Width = (int)wire.Whole("width"), Height = (int)wire.Whole("height"),
            };
        }

        public Map Write()
        {
            return new Map
            {
                { "pivot", new Map { { "cell", Pivot.Write() }, { "offset", (IList)Offset } } }, { "quat", (IList)Quat }, { "ln_distance", LnDistance },
                { "ln_fx", LnFx }, { "ln_fy", LnFy }, { "cx", Cx }, { "cy", Cy }, { "width", Width }, { "height", Height },
            };
        }

        /// <summary>The same view in another resolution; the short side keeps its field of view.</summary>
        public Camera Resized(int width, int height)
        {
            double ratio = (double)Math.Min(width, height) / Math.Min(Width, Height);
            var other = (Camera)MemberwiseClone();
            other.LnFx += Math.Log(ratio);
            other.LnFy += Math.Log(ratio);
            other.Cx = 0.5 * width + (Cx - 0.5 * Width) * ratio;
            other.Cy = 0.5 * height + (Cy - 0.5 * Height) * ratio;
            other.Width = width;
            other.Height = height;
            return other;
        }

        /// <summary>`factor` times closer, by a longer lens: the eye stays.</summary>
        public Camera Zoomed(double factor)
        {
            var other = (Camera)MemberwiseClone();
            other.LnFx += Math.Log(factor);
            other.LnFy += Math.Log(factor);
            return other.Rebased();
        }

        /// <summary>Turned around the pivot: about the camera's y axis by yaw, then about its x axis by pitch, radians.</summary>
        public Camera Orbited(double yaw, double pitch)
        {
            double a = Math.Cos(pitch / 2), b = Math.Sin(pitch / 2), c = Math.Cos(yaw / 2), d = Math.Sin(yaw / 2);
            double rw = a * c, rx = b * c, ry = a * d, rz = b * d, w = Quat[0], x = Quat[1], y = Quat[2], z = Quat[3];
            var turned = new[]
            {
                rw * w - rx * x - ry * y - rz * z, rw * x + rx * w + ry * z - rz * y,
                rw * y - rx * z + ry * w + rz * x, rw * z + rx * y - ry * x + rz * w,
            };
            double length = Math.Sqrt(turned[0] * turned[0] + turned[1] * turned[1] + turned[2] * turned[2] + turned[3] * turned[3]);
            var other = (Camera)MemberwiseClone();
            other.Quat = Array.ConvertAll(turned, part => part / length);
            return other;
        }

        /// <summary>Moved so that the picture moves by (dx, dy) pixels at the pivot.</summary>
        public Camera Panned(double dx, double dy)
        {
            var other = (Camera)Rebased().MemberwiseClone();
            var m = Rotation();
            double edges = Math.Exp(LnDistance - LnF + other.Pivot.Level * Math.Log(2)); // a pixel, about 1/64
            var index = (BigInteger[])other.Pivot.Index.Clone();
            other.Offset = (double[])other.Offset.Clone();
            for (int axis = 0; axis < 3; axis++)
            {
                double offset = other.Offset[axis] - edges * (m[axis] * dx + m[3 + axis] * dy), whole = Math.Floor(offset);
                index[axis] += new BigInteger(whole);
                other.Offset[axis] = offset - whole;
            }
            other.Pivot = new Cell(other.Pivot.Level, index);
            return other;
        }

        /// <summary>The same with a pivot in a cell about 64 pixels wide, so that its offset keeps all its digits.</summary>
        public Camera Rebased()
        {
            int wanted = (int)Math.Round((LnF - LnDistance - Math.Log(64)) / Math.Log(2));
            if (Math.Abs(wanted - Pivot.Level) <= 1) return this;
            var index = (BigInteger[])Pivot.Index.Clone();
            var offset = (double[])Offset.Clone();
            int level = Pivot.Level;
            while (level != wanted)
            {
                int step = Math.Max(-24, Math.Min(24, wanted - level)); // both parts of a shifted offset are exact
                for (int axis = 0; axis < 3; axis++)
                    if (step > 0)
                    {
                        double shifted = offset[axis] * (1 << step), whole = Math.Floor(shifted);
                        index[axis] = (index[axis] << step) + new BigInteger(whole);
                        offset[axis] = shifted - whole;
                    }
                    else
                    {
                        var coarse = index[axis] >> -step;
                        offset[axis] = ((double)(index[axis] - (coarse << -step)) + offset[axis]) / (1 << -step);
                        index[axis] = coarse;
                    }
                level += step;
            }
            var other = (Camera)MemberwiseClone();
            other.Pivot = new Cell(level, index);
            other.Offset = offset;
            return other;
        }

        /// <summary>World to camera, row by row.</summary>
        public double[] Rotation()
        {
            return Matrix(Quat[0], Quat[1], Quat[2], Quat[3]);
        }

        public static double[] Matrix(double w, double x, double y, double z)
        {
            double s = 2.0 / (w * w + x * x + y * y + z * z);
            return new[]
            {
                1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
                s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
                s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
            };
        }

        public static double[] Turned(double[] m, double x, double y, double z)
        {
            return new[] { m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z };
        }

        public Frame FrameOf(Cell cell, double hRef)
        {
            double lnScale = LnDistance - LnF;
            double pixels = Math.Exp(Math.Max(-690, Math.Min(690, -Pivot.Level * Math.Log(2) - lnScale)));
            var centre = cell.CentreFrom(Pivot);
            var origin = Turned(Rotation(), centre[0] - Offset[0], centre[1] - Offset[1], centre[2] - Offset[2]);
            for (int axis = 0; axis < 3; axis++) origin[axis] = Math.Max(-1e300, Math.Min(1e300, origin[axis] * pixels));
            return new Frame
            {
                Origin = origin, Edge = Cell.Shifted(pixels, Pivot.Level - cell.Level),
                Scale = lnScale + Math.Log(Math.Min(Width, Height) / hRef) + cell.Level * Math.Log(2),
            };
        }
    }

    // ---- drawing ----------------------------------------------------------------------------------------------

    /// <summary>One surfel on the screen: a Gaussian of pixels.</summary>
    public struct Splat
    {
        public double U, V, Xx, Xy, Yy; // centre and covariance, with the low-pass
        public double Opacity; // of its centre, modulated
        public double Key; // sort by it, far (large) to near
    }

    /// <summary>How the level of a block is drawn now.</summary>
    public sealed class Drawn
    {
        public Cell Cell;
        public SurfelBlock Surfels;
        public byte[] Hash;
        public int Level, Finest, Coarsest;
        public double Residency, ChildResidency; // R, R_child
    }

    /// <summary>Surfels to splats in float64: the definition, to be written again in the engine's shader language.</summary>
    public sealed class Projection
    {
        public const double Blur = 0.1, MinAlpha = 1.0 / 255, MaxAlpha = 0.99, Edge = 0.15, Near = 1.0 / 128, Thickness = 0.02;
        readonly Camera camera;
        readonly double[] rotation;
        readonly double hRef, lodBias, inverseF, ax, ay;
        readonly bool radial;

        public Projection(Camera camera, double hRef, bool radial, double lodBias = 0)
        {
            this.camera = camera;
            this.hRef = hRef;
            this.radial = radial;
            this.lodBias = lodBias;
            rotation = camera.Rotation();
            inverseF = camera.InverseF;
            ax = Math.Exp(camera.LnFx - camera.LnF);
            ay = Math.Exp(camera.LnFy - camera.LnF);
        }

        /// <summary>What is not behind the eye, has a weight and is more than a trace, into `splats`; their rows into `rows`.</summary>
        public void Add(Drawn drawn, List<Splat> splats, List<int> rows)
        {
            var frame = camera.FrameOf(drawn.Cell, hRef);
            Splat splat;
            for (int row = 0; row < drawn.Surfels.Count; row++)
                if (Of(drawn, frame, row, out splat)) { splats.Add(splat); rows.Add(row); }
        }

        bool Of(Drawn drawn, Frame frame, int i, out Splat splat)
        {
            splat = new Splat();
            var s = drawn.Surfels;
            var p = Camera.Turned(rotation, s.Means[3 * i], s.Means[3 * i + 1], s.Means[3 * i + 2]);
            for (int axis = 0; axis < 3; axis++) p[axis] = p[axis] * frame.Edge + frame.Origin[axis];
            double first = Math.Exp(s.LnSizes[2 * i]), second = Math.Exp(s.LnSizes[2 * i + 1]), sigma = Math.Max(first, second) * frame.Edge;
            double w = 1.0 + p[2] * inverseF;
            if (!(w >= Near && w >= 3.0 * sigma * inverseF)) return false;

            double ratio = radial ? Math.Max(Near, Math.Sqrt((p[0] * p[0] + p[1] * p[1]) * inverseF * inverseF + w * w)) : w;
            double r = frame.Scale + Math.Log(ratio), weight = Scales.Weight(
                r + lodBias * Math.Log(2), s.Native[i], s.Parent[i], s.Child[i], drawn.Residency, drawn.ChildResidency);
            if (drawn.Finest < drawn.Coarsest)
            {
                double octaves = (r - Math.Log(Math.Min(camera.Width, camera.Height) / hRef) - s.Native[i]) / Math.Log(2);
                weight *= Scales.Share(octaves, drawn.Level, drawn.Finest, drawn.Coarsest);
            }
            if (!(weight > 0.0)) return false;

            splat.U = ax * p[0] / w + camera.Cx;
            splat.V = ay * p[1] / w + camera.Cy;
            double slopeU = (Clamped(splat.U, camera.Width) - camera.Cx) * inverseF, slopeV = (Clamped(splat.V, camera.Height) - camera.Cy) * inverseF;
            var turn = Camera.Matrix(s.Quats[4 * i], s.Quats[4 * i + 1], s.Quats[4 * i + 2], s.Quats[4 * i + 3]);
            var lengths = new[] { first, second, Thickness * Math.Exp(s.Native[i]) };
            double scale = frame.Edge / w;
            var u = new double[3];
            var v = new double[3];
            for (int k = 0; k < 3; k++) // the Jacobian times each of its axes, pixels
            {
                var axis = Camera.Turned(rotation, turn[k], turn[3 + k], turn[6 + k]);
                u[k] = scale * lengths[k] * (ax * axis[0] - slopeU * axis[2]);
                v[k] = scale * lengths[k] * (ay * axis[1] - slopeV * axis[2]);
            }
            double xx = Dot(u, u), xy = Dot(u, v), yy = Dot(v, v);
            // The determinant as a sum of squared minors: nothing cancels for thin splats.
            double sharp = Square(u[0] * v[1] - u[1] * v[0]) + Square(u[0] * v[2] - u[2] * v[0]) + Square(u[1] * v[2] - u[2] * v[1]);
            double blurred = sharp + Blur * (xx + yy) + Blur * Blur;
            splat.Xx = xx + Blur;
            splat.Xy = xy;
            splat.Yy = yy + Blur;
            splat.Opacity = Scales.Modulate(s.Opacities[i], weight) * Math.Sqrt(sharp / blurred);
            splat.Key = p[2] + 3.0 * sigma;
            return splat.Opacity > MinAlpha;
        }

        static double Clamped(double at, int size) { return Math.Max(-Edge * size, Math.Min((1 + Edge) * size, at)); }
        static double Dot(double[] a, double[] b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
        static double Square(double x) { return x * x; }
    }

    // ---- what is shown ----------------------------------------------------------------------------------------

    /// <summary>The surfels that a server has sent, and what of them is drawn at a moment (section 9). Times in seconds.</summary>
    public sealed class SurfelScene
    {
        public const double FadeSeconds = 0.15;

        sealed class Level { public Drawn Part; public string Block; }

        sealed class Shown
        {
            public int Finest, Coarsest, FinestBefore, CoarsestBefore;
            public double From, Target, ChildFrom, ChildTarget, Since, ChildSince, MixedSince = double.NegativeInfinity;

            public double Residency(double now) { return Moved(From, Target, now - Since); }
            public double ChildResidency(double now) { return Moved(ChildFrom, ChildTarget, now - ChildSince); }
            public double Mix(double now) { return Math.Max(0, Math.Min(1, (now - MixedSince) / FadeSeconds)); }

            static double Moved(double from, double to, double seconds)
            {
                double step = Math.Max(0, seconds) / FadeSeconds;
                return to >= from ? Math.Min(to, from + step) : Math.Max(to, from - step);
            }

            public void Obey(Map told, double now)
            {
                int finest = LevelOf(told, "finest"), coarsest = LevelOf(told, "coarsest");
                double target = told.Number("residency", 1.0), below = told.Number("child_residency", 0.0);
                if ((finest != Finest || coarsest != Coarsest) && Residency(now) > 0)
                {
                    FinestBefore = Finest;
                    CoarsestBefore = Coarsest;
                    MixedSince = now;
                }
                Finest = finest;
                Coarsest = coarsest;
                Turn(target, now);
                if (below == ChildTarget) return;
                ChildFrom = Math.Min(ChildResidency(now), below); // rises over time, falls at once
                ChildTarget = below;
                ChildSince = now;
            }

            public void Turn(double target, double now)
            {
                if (target == Target) return;
                From = Residency(now);
                Target = target;
                Since = now;
            }
        }

        readonly Dictionary<string, Level> levels = new Dictionary<string, Level>();
        readonly Dictionary<string, Shown> shown = new Dictionary<string, Shown>();
        readonly HashSet<string> dropped = new HashSet<string>();

        public long Revision, CameraSeq;
        public bool Complete; // all that this camera asks for is here
        public int Count { get { int sum = 0; foreach (var each in levels.Values) sum += each.Part.Surfels.Count; return sum; } }

        /// <summary>Obey a delta; it is then to be acknowledged. Throws ProtocolException.</summary>
        public void Take(Map delta, double now)
        {
            foreach (var wire in delta.Maps("levels"))
            {
                var surfels = SurfelBlock.Decode(wire.Bytes("payload"));
                surfels.SetBounds(wire.Bytes("bounds"));
                var part = new Drawn { Cell = Cell.Read(wire.Fields("cell")), Surfels = surfels, Hash = wire.Hash("hash"), Level = LevelOf(wire, "level") };
                levels[Key(part.Hash)] = new Level { Part = part, Block = Key(wire.Hash("block")) };
                dropped.Remove(Key(part.Hash));
            }
            foreach (var patch in delta.Maps("bounds"))
            {
                Level level;
                if (levels.TryGetValue(Key(patch.Hash("hash")), out level)) level.Part.Surfels.SetBounds(patch.Bytes("bounds"));
            }
            var told = new HashSet<string>();
            foreach (var wire in delta.Maps("show"))
            {
                var block = Key(wire.Hash("block"));
                told.Add(block);
                Shown how;
                if (!shown.TryGetValue(block, out how)) shown[block] = how = new Shown { Since = now, ChildSince = now };
                how.Obey(wire, now);
            }
            if (delta.Flag("anew"))
                foreach (var each in shown) if (!told.Contains(each.Key)) each.Value.Turn(0, now);
            foreach (var hash in delta.Hashes("drop")) dropped.Add(Key(hash));
            Revision = delta.Whole("revision");
            CameraSeq = delta.Whole("camera_seq", 0);
            Complete = delta.Flag("complete");
        }

        /// <summary>What to draw now; a level twice where it is in both spans of a fade.</summary>
        public List<Drawn> DrawnAt(double now)
        {
            var drawn = new List<Drawn>();
            var used = new HashSet<string>();
            var gone = new List<string>();
            foreach (var each in shown) if (each.Value.Target == 0 && each.Value.Residency(now) == 0) gone.Add(each.Key);
            foreach (var block in gone) shown.Remove(block);
            foreach (var level in levels)
            {
                Shown how;
                if (!shown.TryGetValue(level.Value.Block, out how)) continue;
                double mix = how.Mix(now), residency = how.Residency(now), child = how.ChildResidency(now);
                int number = level.Value.Part.Level;
                if (number >= how.Finest && number <= how.Coarsest)
                    Draw(drawn, level.Value.Part, how.Finest, how.Coarsest, residency * mix, child * mix);
                else if (!(mix < 1 && number >= how.FinestBefore && number <= how.CoarsestBefore)) continue;
                if (mix < 1 && number >= how.FinestBefore && number <= how.CoarsestBefore)
                    Draw(drawn, level.Value.Part, how.FinestBefore, how.CoarsestBefore, residency * (1 - mix), child * (1 - mix));
                used.Add(level.Key);
            }
            dropped.RemoveWhere(hash => !used.Contains(hash) && (levels.Remove(hash) || true)); // in no fade any more
            return drawn;
        }

        static void Draw(List<Drawn> drawn, Drawn part, int finest, int coarsest, double residency, double childResidency)
        {
            if (residency <= 0) return;
            drawn.Add(new Drawn
            {
                Cell = part.Cell, Surfels = part.Surfels, Hash = part.Hash, Level = part.Level, Finest = finest, Coarsest = coarsest,
                Residency = residency, ChildResidency = childResidency,
            });
        }

        static int LevelOf(Map wire, string name)
        {
            var level = wire.Whole(name);
            if (level < 0 || level > 64) throw new ProtocolException("a pyramid has no level " + level);
            return (int)level;
        }

        static string Key(byte[] hash) { return BitConverter.ToString(hash); }
    }

    // ---- engines' axes ----------------------------------------------------------------------------------------

    /// <summary>From the wire's axes (x right, y down, z forward, right-handed) to an engine's.</summary>
    public sealed class EngineAxes
    {
        readonly int[] from, sign; // of the engine's x, y, z
        readonly int turns; // of vector parts: -1 where the engine is left-handed
        readonly double unit; // of the engine, a metre

        EngineAxes(int[] from, int[] sign, int turns, double unit) { this.from = from; this.sign = sign; this.turns = turns; this.unit = unit; }

        public static readonly EngineAxes Unity = new EngineAxes(new[] { 0, 1, 2 }, new[] { 1, -1, 1 }, -1, 1.0);
        public static readonly EngineAxes Unreal = new EngineAxes(new[] { 2, 0, 1 }, new[] { 1, 1, -1 }, -1, 100.0);
        public static readonly EngineAxes Godot = new EngineAxes(new[] { 0, 1, 2 }, new[] { 1, -1, -1 }, 1, 1.0);

        /// <summary>A point or vector of metres, in the engine's units.</summary>
        public double[] Point(double[] p)
        {
            var found = new double[3];
            for (int i = 0; i < 3; i++) found[i] = unit * sign[i] * p[from[i]];
            return found;
        }

        /// <summary>What turns a surfel's axes to the world, w x y z.</summary>
        public double[] Quaternion(double[] q)
        {
            var found = new double[4];
            found[0] = q[0];
            for (int i = 0; i < 3; i++) found[i + 1] = turns * sign[i] * q[from[i] + 1];
            return found;
        }

        /// <summary>The orientation of the engine's camera, of a camera message's `quat` (which turns the other way).</summary>
        public double[] CameraQuaternion(double[] q) { return Quaternion(new[] { q[0], -q[1], -q[2], -q[3] }); }
    }

#if !WONDERZOOM_NO_SOCKET
    // ---- connection -------------------------------------------------------------------------------------------

    /// <summary>A websocket to a server; one task reads, one writes. What happens is for the caller to decide.</summary>
    public sealed class Connection : IDisposable
    {
        const int Largest = 1 << 20;
        readonly ClientWebSocket socket = new ClientWebSocket();
        readonly byte[] part = new byte[1 << 16];

        public Map Welcome { get; private set; }

        /// <summary>Enters by a link as the server prints it (http://host:port/#token=...). Throws ProtocolException where it is not let in.</summary>
        public static async Task<Connection> Open(string link, string program, CancellationToken stop)
        {
            var address = new Uri(link);
            var token = address.Fragment.StartsWith("#token=") ? address.Fragment.Substring(7) : null;
            var scheme = address.Scheme == "https" ? "wss" : "ws";
            var connection = new Connection();
            connection.socket.Options.AddSubProtocol("wonderzoom.v1");
            await connection.socket.ConnectAsync(new Uri(scheme + "://" + address.Authority + address.AbsolutePath.TrimEnd('/') + "/ws"), stop);
            var hello = new Map { { "type", "hello" }, { "protocol", new List<object> { 1, 1 } }, { "client", program } };
            if (token != null) hello.Add("token", token);
            hello.Add("surfel_formats", new List<object> { SurfelBlock.Format });
            await connection.Send(hello, stop);
            connection.Welcome = await connection.Receive(stop);
            if (connection.Welcome.Text("type") != "welcome") throw new ProtocolException("not let in: " + connection.Welcome.Text("reason", "no reason"));
            return connection;
        }

        public Task Send(Map message, CancellationToken stop)
        {
            return socket.SendAsync(new ArraySegment<byte>(MsgPack.Encode(message)), WebSocketMessageType.Binary, true, stop);
        }

        /// <summary>The next message. Throws ProtocolException for what is none, and at the end.</summary>
        public async Task<Map> Receive(CancellationToken stop)
        {
            var whole = new MemoryStream();
            WebSocketReceiveResult got;
            do
            {
                got = await socket.ReceiveAsync(new ArraySegment<byte>(part), stop);
                if (got.MessageType == WebSocketMessageType.Close) throw new ProtocolException("closed: " + got.CloseStatusDescription);
                whole.Write(part, 0, got.Count);
                if (whole.Length > Largest) throw new ProtocolException("a message of more than a megabyte");
            } while (!got.EndOfMessage);
            return MsgPack.Decode(whole.ToArray());
        }

        public void Dispose() { socket.Dispose(); }
    }
#endif
}
