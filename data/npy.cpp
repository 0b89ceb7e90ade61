#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/files.h>
#include <descent/core/text.h>
#include <descent/data/npy.h>

#include <zlib.h>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

namespace descent::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// A whole number of `bytes` bytes, the lowest first.
std::uint64_t little(std::string_view text, std::size_t at, std::size_t bytes) {
  std::uint64_t x = 0;
  for (std::size_t i = bytes; i-- > 0;) x = x << 8 | static_cast<unsigned char>(text[at + i]);
  return x;
}
void append_little(std::string& out, std::uint64_t x, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(x >> (8 * i));
}

// ---- one array ----

/// What the header of an array says.
struct Header {
  char kind = 'f';  // b, i, u or f
  std::size_t size = 4;
  bool big_endian = false, fortran = false;
  std::vector<std::int64_t> shape;
};

/// Reads a header: a literal of Python, {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  Header read() {
    Header h;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        descr = true;
        read_type(h, quoted());
      } else if (key == "fortran_order") {
        order = true;
        h.fortran = take_word("True");
        if (!h.fortran && !take_word("False"))
          bad("a fortran_order that is neither True nor False");
      } else if (key == "shape") {
        shape = true;
        read_shape(h);
      } else {
        bad("an unknown entry in its header");
      }
      take(',');
    }
    if (!descr || !order || !shape) bad("a header that lacks descr, fortran_order or shape");
    return h;
  }

 private:
  [[noreturn]] void bad(const char* what) const {
    fail<FileError>("npy", "got '", name_, "' with ", what, ", expected an array of NumPy");
  }
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n\t"), rest_.size()));
  }
  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void expect(char c) {
    if (!take(c)) bad("a damaged header");
  }
  std::string_view quoted() {
    skip_blanks();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) bad("a type that is no number");
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == rest_.npos) bad("a damaged header");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }
  void read_type(Header& h, std::string_view type) {
    const auto size = type.size() == 3 ? parse_number(type.substr(2)) : std::nullopt;
    const bool known =
        size && (type[1] == 'b'   ? *size == 1
                 : type[1] == 'f' ? *size == 2 || *size == 4 || *size == 8
                 : type[1] == 'i' ? *size == 1 || *size == 2 || *size == 4 || *size == 8
                 : type[1] == 'u' ? *size == 1 || *size == 2 || *size == 4
                                  : false);
    if (!known || std::string_view("<>|=").find(type[0]) == std::string_view::npos)
      fail<FileError>("npy", "got '", name_, "' with elements of type '", brief(type),
                      "', expected bool, float16 to float64, or integers up to int64. Hint: "
                      "array.astype(\"float32\")");
    h.kind = type[1];
    h.size = static_cast<std::size_t>(*size);
    h.big_endian = type[0] == '>';
  }
  void read_shape(Header& h) {
    expect('(');
    std::int64_t elements = 1;
    while (!take(')')) {
      skip_blanks();
      const std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      const auto n = parse_number(rest_.substr(0, end));
      if (!n || *n > 1e15) bad("a damaged shape");
      if (h.shape.size() == 8) bad("more dimensions than eight");
      rest_.remove_prefix(end);
      h.shape.push_back(static_cast<std::int64_t>(*n));
      if (__builtin_mul_overflow(elements, std::max<std::int64_t>(h.shape.back(), 1), &elements))
        bad("a shape that is too large");
      take_word("L");
      take(',');
    }
  }

  std::string_view rest_;
  const std::string& name_;
};

float from_half(std::uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const float size = exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                     : exponent == 0
                         ? std::ldexp(static_cast<float>(fraction), -24)
                         : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return h >> 15 != 0 ? -size : size;
}

/// Element i of the array's data, as T.
template <class T>
T element(const Header& h, std::string_view data, std::size_t i) {
  std::uint64_t bits = little(data, i * h.size, h.size);
  if (h.big_endian) {
    std::uint64_t turned = 0;
    for (std::size_t b = 0; b < h.size; ++b) turned = turned << 8 | (bits >> (8 * b) & 255);
    bits = turned;
  }
  if (h.kind == 'b') return static_cast<T>(bits != 0);
  if (h.kind == 'u') return static_cast<T>(bits);
  if (h.kind == 'i') {
    const auto shift = static_cast<int>(64 - 8 * h.size);
    return static_cast<T>(static_cast<std::int64_t>(bits << shift) >> shift);
  }
  if (h.size == 2) return static_cast<T>(from_half(static_cast<std::uint16_t>(bits)));
  if (h.size == 4) return static_cast<T>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return static_cast<T>(std::bit_cast<double>(bits));
}

template <class T>
void fill(const Header& h, std::string_view data, T* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = element<T>(h, data, static_cast<std::size_t>(i));
}

Tensor parse_npy(std::string_view file, const std::string& name) {
  const auto bad = [&](const char* what) {
    fail<FileError>("npy", "got '", name, "', ", what, ", expected an array of NumPy");
  };
  if (!file.starts_with(kMagic) || file.size() < 12) bad("which is no .npy file");
  const auto version = static_cast<unsigned char>(file[6]);
  if (version < 1 || version > 3) bad("whose version is unknown");
  const std::size_t width = version == 1 ? 2 : 4, begin = 8 + width,
                    length = little(file, 8, width);
  if (length > file.size() - begin) bad("which is cut off");
  const Header h = HeaderReader(file.substr(begin, length), name).read();
  const std::string_view data = file.substr(begin + length);
  // In Fortran order the first index runs fastest: the same as row-major with the extents reversed.
  std::vector<std::int64_t> extents = h.shape;
  if (h.fortran) std::reverse(extents.begin(), extents.end());
  std::int64_t n = 1;
  for (const std::int64_t extent : extents) n *= extent;
  if (static_cast<std::uint64_t>(n) > data.size() / h.size ||
      data.size() != static_cast<std::size_t>(n) * h.size)
    bad("whose size does not fit its shape");
  const DType type = h.kind == 'b'   ? kBool
                     : h.kind != 'f' ? kInt64
                     : h.size == 8   ? kFloat64
                                     : kFloat32;
  Tensor t = empty(Shape(extents), type);
  if (type == kBool) fill(h, data, t.data_ptr<bool>(), n);
  if (type == kInt64) fill(h, data, t.data_ptr<std::int64_t>(), n);
  if (type == kFloat32) fill(h, data, t.data_ptr<float>(), n);
  if (type == kFloat64) fill(h, data, t.data_ptr<double>(), n);
  if (!h.fortran || extents.size() < 2) return t;
  std::vector<std::int64_t> turned;
  for (std::size_t d = extents.size(); d-- > 0;) turned.push_back(static_cast<std::int64_t>(d));
  return t.permute(turned).contiguous();
}

std::string npy_of(const Tensor& t) {
  if (!t.defined()) fail<ValueError>("npy", "got an undefined tensor, expected one with values");
  const char* const type = t.dtype() == kBool      ? "|b1"
                           : t.dtype() == kInt64   ? "<i8"
                           : t.dtype() == kFloat32 ? "<f4"
                                                   : "<f8";
  std::string header = to_text("{'descr': '", type, "', 'fortran_order': False, 'shape': (");
  for (const std::int64_t extent : t.shape()) header += to_text(std::to_string(extent), ", ");
  header += "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');  // the data is aligned
  header += '\n';
  std::string out = to_text(kMagic, std::string("\x01\x00", 2));
  append_little(out, header.size(), 2);
  out += header;
  const Tensor dense = t.contiguous();
  const auto size = static_cast<std::size_t>(t.numel()) * size_of(t.dtype());
  static_assert(std::endian::native == std::endian::little);
  if (size > 0) out.append(static_cast<const char*>(dense.raw()), size);
  return out;
}

// ---- archives ----

constexpr std::uint64_t kEnd = 0x06054b50, kEntry = 0x02014b50, kLocal = 0x04034b50;
constexpr std::size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;

std::string inflated(std::string_view packed, std::size_t size, const std::string& name) {
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail<FileError>("npz", "zlib could not start");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(size);
  const int status = inflate(&stream, Z_FINISH);
  const bool whole = status == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!whole) fail<FileError>("npz", "got '", name, "', which is damaged, expected a whole file");
  return out;
}

std::uint32_t crc_of(std::string_view text) {
  uLong crc = crc32(0, nullptr, 0);
  while (!text.empty()) {
    const std::size_t n = std::min(text.size(), std::size_t{1} << 30);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(n));
    text.remove_prefix(n);
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace

Tensor load_npy(const std::string& path) { return parse_npy(read_file(path), path); }

void save_npy(const std::string& path, const Tensor& t) { write_file(path, npy_of(t)); }

std::map<std::string, Tensor> load_npz(const std::string& path, std::uint64_t most) {
  const std::string file = read_file(path);
  const auto bad = [&](const char* what) {
    fail<FileError>("npz", "got '", path, "', ", what, ", expected a file of numpy.savez()");
  };
  const std::size_t at = file.rfind("PK\5\6");
  if (at == file.npos || file.size() - at < kEndSize) bad("which is no zip archive, or is cut off");
  const std::uint64_t count = little(file, at + 10, 2), directory = little(file, at + 16, 4);
  std::map<std::string, Tensor> tensors;
  std::uint64_t place = directory, unpacked = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (place + kEntrySize > file.size() || little(file, place, 4) != kEntry)
      bad("whose directory is damaged");
    const auto field = [&](std::size_t offset, std::size_t bytes) {
      return little(file, place + offset, bytes);
    };
    const std::uint64_t flags = field(8, 2), method = field(10, 2), crc = field(16, 4),
                        packed = field(20, 4), size = field(24, 4), name_size = field(28, 2),
                        local = field(42, 4);
    const std::uint64_t next = place + kEntrySize + name_size + field(30, 2) + field(32, 2);
    if (next > file.size()) bad("whose directory is damaged");
    std::string name = file.substr(place + kEntrySize, name_size);
    place = next;
    if ((flags & 1) != 0) bad("which is encrypted");
    if (packed == 0xFFFFFFFF || size == 0xFFFFFFFF || local == 0xFFFFFFFF)
      bad("which has members of more than 4 GB");
    if (method != 0 && method != 8) bad("which is packed by an unknown method");
    if (!name.ends_with(".npy")) bad("which has members that are no .npy files");
    if (local + kLocalSize > file.size() || little(file, local, 4) != kLocal)
      bad("whose members are damaged");
    const std::uint64_t begin =
        local + kLocalSize + little(file, local + 26, 2) + little(file, local + 28, 2);
    // Deflate packs at most 1032 bytes into one.
    if (begin > file.size() || packed > file.size() - begin || (method == 0 && packed != size) ||
        size / 1040 > packed)
      bad("whose members are damaged");
    if ((unpacked += size) > most)
      fail<FileError>("npz", "got '", path, "', which unpacks to more than ",
                      static_cast<unsigned long>(most),
                      " bytes, expected fewer. Hint: load_npz() takes another limit");
    const std::string_view raw = std::string_view(file).substr(begin, packed);
    const std::string own = method == 8 ? inflated(raw, size, path) : std::string();
    const std::string_view contents = method == 8 ? std::string_view(own) : raw;
    if (crc_of(contents) != crc) bad("whose checksum is wrong");
    name.resize(name.size() - 4);
    tensors.insert_or_assign(name, parse_npy(contents, to_text(path, "/", brief(name))));
  }
  return tensors;
}

void save_npz(const std::string& path, const std::map<std::string, Tensor>& tensors) {
  std::string file, directory;
  for (const auto& [name, t] : tensors) {
    const std::string contents = npy_of(t), member = name + ".npy";
    if (file.size() + contents.size() > 0xFFFFFFF0U || member.size() > 0xFFFF)
      fail<ValueError>("npz",
                       "got more than 4 GB, expected less. Hint: save_npy() for each tensor");
    const std::size_t begin = file.size();
    // Version 2.0, a name in UTF-8, stored, 1 January 1980, checksum, sizes, length of the name.
    std::string entry;
    for (const auto& [x, bytes] :
         std::vector<std::pair<std::uint64_t, std::size_t>>{{20, 2},
                                                            {0x800, 2},
                                                            {0, 2},
                                                            {0, 2},
                                                            {33, 2},
                                                            {crc_of(contents), 4},
                                                            {contents.size(), 4},
                                                            {contents.size(), 4},
                                                            {member.size(), 2},
                                                            {0, 2}})
      append_little(entry, x, bytes);
    append_little(file, kLocal, 4);
    file.append(entry).append(member).append(contents);
    append_little(directory, kEntry, 4);
    append_little(directory, 20, 2);
    directory += entry;
    for (const std::size_t bytes : {2, 2, 2, 4}) append_little(directory, 0, bytes);
    append_little(directory, begin, 4);
    directory += member;
  }
  const std::size_t begin = file.size();
  file += directory;
  append_little(file, kEnd, 4);
  append_little(file, 0, 4);
  append_little(file, tensors.size(), 2);
  append_little(file, tensors.size(), 2);
  append_little(file, directory.size(), 4);
  append_little(file, begin, 4);
  append_little(file, 0, 2);
  write_file(path, file);
}

}  // namespace descent::data
