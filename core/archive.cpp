#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/file_system.h>
#include <descent/core/files.h>
#include <descent/core/kernels/copy.h>

#include <zlib.h>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace descent {
namespace {

[[noreturn]] void bad(const std::string& path, const std::string& why) {
  fail<FileError>("load_tensors", "got '", path, "', ", why,
                  ". Hint: it should be a safetensors file");
}

const char* type_name(DType t) {
  return t == kBool ? "BOOL" : t == kInt64 ? "I64" : t == kFloat32 ? "F32" : "F64";
}

std::optional<DType> type_of(const std::string& name) {
  for (const DType t : {kBool, kInt64, kFloat32, kFloat64})
    if (name == type_name(t)) return t;
  return std::nullopt;
}

/// The longest header, in bytes. A header needs about three times its size while it is read.
constexpr std::uint64_t kMostHeader = std::uint64_t{16} << 20;

/// Text as JSON writes it.
std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception& e) {
    fail<FileError>("save_tensors",
                    "got a name or metadata that is no UTF-8, expected text: ", e.what());
  }
}

}  // namespace

void save_tensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                  const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  const auto add = [&](const std::string& name, const std::string& value) {
    text += to_text(text.size() == 1 ? "" : ",", quoted(name), ":", value);
  };
  if (!metadata.empty()) {
    std::string all;
    for (const auto& [key, value] : metadata)
      all += to_text(all.empty() ? "{" : ",", quoted(key), ":", quoted(value));
    add("__metadata__", all + "}");
  }
  std::size_t offset = 0;
  for (const auto& [name, t] : tensors) {
    if (!t.defined() || name == "__metadata__")
      fail<ValueError>("save_tensors", "got the name '", name, "'",
                       t.defined() ? "" : " for an undefined tensor",
                       ", expected values, under a name other than __metadata__");
    const std::size_t bytes = static_cast<std::size_t>(t.numel()) * size_of(t.dtype());
    std::string shape;
    for (const std::int64_t n : t.shape()) shape += to_text(shape.empty() ? "" : ",", n);
    add(name, to_text("{\"dtype\":\"", type_name(t.dtype()), "\",\"shape\":[", shape,
                      "],\"data_offsets\":[", offset, ",", offset + bytes, "]}"));
    offset += bytes;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string contents(reinterpret_cast<const char*>(&length), sizeof length);
  contents += text;
  for (const auto& [name, t] : tensors) {
    const Tensor flat = kernel::contiguous(t);
    contents.append(static_cast<const char*>(flat.raw()),
                    static_cast<std::size_t>(t.numel()) * size_of(t.dtype()));
  }
  write_file(path, contents);
}

namespace {

/// Reads the header of a file as it comes by. No tree is built, so nesting costs no stack and the
/// end of a reading frees nothing that could fail.
class Header final : public nlohmann::json_sax<nlohmann::json> {
 public:
  struct Entry {
    std::optional<std::string> dtype;
    std::optional<std::vector<std::uint64_t>> shape, offsets;
  };
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string fault;  // why the header cannot be used; empty if it can

  bool start_object(std::size_t) override {
    if (level_ == kInList || level_ == kInEntry) return refuse_value("an object");
    level_ = level_ == kOutside ? kInHeader : kInEntry;
    if (level_ == kInEntry && is_metadata())
      has_metadata_ = true;
    else if (level_ == kInEntry)
      entry_ = &entries[name_];
    return true;
  }
  bool end_object() override {
    if (level_ == kInEntry && !is_metadata())
      for (const auto& [field, given] : {std::pair{"dtype", entry_->dtype.has_value()},
                                         {"shape", entry_->shape.has_value()},
                                         {"data_offsets", entry_->offsets.has_value()}})
        if (!given) return refuse(to_text("whose tensor '", brief(name_), "' has no ", field));
    level_ = level_ == kInEntry ? kInHeader : kOutside;
    return true;
  }
  bool key(std::string& text) override {
    const bool twice = level_ == kInHeader
                           ? entries.contains(text) || (text == kMetadata && has_metadata_)
                       : is_metadata()          ? metadata.contains(text)
                       : text == "dtype"        ? entry_->dtype.has_value()
                       : text == "shape"        ? entry_->shape.has_value()
                       : text == "data_offsets" ? entry_->offsets.has_value()
                                                : false;
    if (twice) return refuse(to_text("which has the name '", brief(text), "' twice"));
    if (entries.size() + metadata.size() > kMostNames)
      return refuse(to_text("which has more than ", kMostNames, " names"));
    (level_ == kInHeader ? name_ : field_) = text;
    return true;
  }
  bool start_array(std::size_t) override {
    if (level_ != kInEntry || is_metadata()) return refuse_value("a list");
    level_ = kInList;
    if (std::vector<std::uint64_t>* numbers = list()) numbers->reserve(2);
    return true;
  }
  bool end_array() override {
    level_ = kInEntry;
    return true;
  }
  bool string(std::string& text) override {
    if (level_ == kInEntry && is_metadata())
      metadata[field_] = text;
    else if (level_ == kInEntry && field_ == "dtype")
      entry_->dtype = text;
    else
      return other_value("text");
    return true;
  }
  bool number_unsigned(std::uint64_t n) override {
    std::vector<std::uint64_t>* const numbers = level_ == kInList ? list() : nullptr;
    if (!numbers) return other_value("a number");
    if (numbers->size() == Shape::kMaxRank) return refuse_value("a list that is too long");
    numbers->push_back(n);
    return true;
  }
  bool number_integer(std::int64_t) override { return other_value("a negative number"); }
  bool number_float(double, const std::string&) override { return other_value("a fraction"); }
  bool boolean(bool) override { return other_value("true or false"); }
  bool null() override { return other_value("null"); }
  bool binary(binary_t&) override { return other_value("binary data"); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::json::exception&) override {
    return refuse(to_text("whose header is not a JSON object: it goes wrong at byte ", at));
  }

 private:
  enum Level { kOutside, kInHeader, kInEntry, kInList };
  static constexpr const char* kMetadata = "__metadata__";
  static constexpr std::size_t kMostNames = std::size_t{1} << 17;

  bool is_metadata() const { return name_ == kMetadata; }
  /// The list that is being read; null if nobody needs it.
  std::vector<std::uint64_t>* list() {
    if (field_ == "shape") return &(entry_->shape ? *entry_->shape : entry_->shape.emplace());
    if (field_ == "data_offsets")
      return &(entry_->offsets ? *entry_->offsets : entry_->offsets.emplace());
    return nullptr;
  }
  /// A value where something else must stand, or in a field that nobody needs.
  bool other_value(const char* what) {
    const bool needed = field_ == "dtype" || field_ == "shape" || field_ == "data_offsets";
    return level_ < kInEntry || is_metadata() || needed ? refuse_value(what) : true;
  }
  bool refuse_value(const char* what) {
    if (level_ == kOutside) return refuse(to_text("whose header is ", what, ", not an object"));
    if (level_ == kInHeader) return refuse(to_text("where '", brief(name_), "' is ", what));
    return refuse(
        to_text("where '", brief(field_), "' of '", brief(name_), "' is or holds ", what));
  }
  bool refuse(std::string why) {
    fault = std::move(why);
    return false;
  }

  Level level_ = kOutside;
  std::string name_, field_;  // the last keys of header and entry
  Entry* entry_ = nullptr;
  bool has_metadata_ = false;
};

/// Checks an entry, and returns the shape of its tensor.
Shape shape_of(const std::string& path, const std::string& name, const Header::Entry& entry,
               std::uint64_t size) {
  const std::optional<DType> dtype = type_of(*entry.dtype);
  const std::string tensor = to_text("whose tensor '", brief(name), "' ");
  if (!dtype)
    bad(path,
        to_text(tensor, "has dtype '", brief(*entry.dtype), "', expected BOOL, I64, F32 or F64"));
  Shape extents;
  std::uint64_t elements = 1, span = 1;  // span: the product of the extents that are not 0
  for (const std::uint64_t n : *entry.shape) {
    if (n > (std::uint64_t{1} << 40) || (n > 0 && span > (std::uint64_t{1} << 48) / n))
      bad(path, to_text(tensor, "is too large"));
    span *= n > 0 ? n : 1;
    elements *= n;
    extents.push_back(static_cast<std::int64_t>(n));
  }
  const std::vector<std::uint64_t>& at = *entry.offsets;
  const std::uint64_t bytes = elements * size_of(*dtype);
  if (at.size() != 2 || at[0] > at[1] || at[1] > size || at[1] - at[0] != bytes)
    bad(path,
        to_text(tensor, "does not lie at two offsets that are ", static_cast<unsigned long>(bytes),
                " bytes apart, within ", static_cast<unsigned long>(size)));
  return extents;
}

}  // namespace

Archive load_tensors(const std::string& path) {
  const detail::InputFile file("load_tensors", path);
  std::uint64_t length = 0;
  if (file.read(0, &length, sizeof length) < sizeof length)
    bad(path, to_text("which has ", static_cast<unsigned long>(file.size()),
                      " bytes, expected at least 8"));
  if (length > file.size() - sizeof length || length > kMostHeader)
    bad(path, to_text("whose header claims ", static_cast<unsigned long>(length), " bytes of ",
                      static_cast<unsigned long>(file.size())));
  Header header;
  {
    std::string text(length, '\0');
    text.resize(file.read(sizeof length, text.data(), length));
    if (!nlohmann::json::sax_parse(text, &header)) bad(path, header.fault);
  }
  const std::uint64_t start = sizeof length + length, size = file.size() - start;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, entry] : header.entries) {
    shape_of(path, name, entry, size);
    ranges.emplace_back((*entry.offsets)[0], (*entry.offsets)[1]);
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered)
      bad(path, to_text("whose tensors overlap or leave a gap at byte ",
                        static_cast<unsigned long>(covered)));
    covered = end;
  }
  if (covered != size)
    bad(path, to_text("which has ", static_cast<unsigned long>(size - covered),
                      " bytes that belong to no tensor"));

  Archive archive;
  archive.metadata = std::move(header.metadata);
  for (const auto& [name, entry] :
       header.entries) {  // all is checked: no more memory than the file's
    const Tensor t = empty(shape_of(path, name, entry, size), *type_of(*entry.dtype));
    const std::uint64_t begin = (*entry.offsets)[0], bytes = (*entry.offsets)[1] - begin;
    if (bytes > 0 && file.read(start + begin, t.raw(), bytes) != bytes)
      bad(path, "which became shorter while it was read");
    if (t.dtype() == kBool)  // a byte other than 0 and 1 is no bool
      for (auto *byte = static_cast<unsigned char*>(t.raw()), *end = byte + bytes; byte != end;
           ++byte)
        *byte = *byte != 0;
    archive.tensors[name] = t;
  }
  return archive;
}

std::string checksum(const Archive& a) {
  uLong crc = 0;
  const auto add = [&](const void* data, std::size_t n) {
    crc = ::crc32_z(crc, static_cast<const Bytef*>(data), n);
  };
  const auto add_text = [&](const std::string& text) { add(text.c_str(), text.size() + 1); };
  for (const auto& [name, text] : a.metadata)
    if (name != "descent_checksum") {
      add_text(name);
      add_text(text);
    }
  for (const auto& [name, t] : a.tensors) {
    add_text(to_text(name, t.dtype(), t.shape()));
    const Tensor flat = kernel::contiguous(t);
    add(flat.raw(), static_cast<std::size_t>(t.numel()) * size_of(t.dtype()));
  }
  return to_text("crc32 ", crc);
}

}  // namespace descent
