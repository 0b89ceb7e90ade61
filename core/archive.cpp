#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/files.h>
#include <descent/core/kernels/copy.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

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

}  // namespace

void save_tensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                  const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const auto& [name, t] : tensors) {
    if (!t.defined() || name == "__metadata__")
      fail<ValueError>("save_tensors", "got the name '", name, "'",
                       t.defined() ? "" : " for an undefined tensor",
                       ", expected values, under a name other than __metadata__");
    const std::size_t bytes = static_cast<std::size_t>(t.numel()) * size_of(t.dtype());
    header[name] = {{"dtype", type_name(t.dtype())},
                    {"shape", std::vector<std::int64_t>(t.shape().begin(), t.shape().end())},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& e) {
    fail<FileError>("save_tensors",
                    "got a name or metadata that is no UTF-8, expected text: ", e.what());
  }
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

Archive load_tensors(const std::string& path) {
  using nlohmann::json;
  const std::string contents = read_file(path);
  std::uint64_t length = 0;
  if (contents.size() < sizeof length)
    bad(path, to_text("which has ", contents.size(), " bytes, expected at least 8"));
  std::memcpy(&length, contents.data(), sizeof length);
  if (length > contents.size() - sizeof length || length > 100'000'000)
    bad(path, to_text("whose header claims ", static_cast<unsigned long>(length), " bytes of ",
                      contents.size()));
  const std::size_t start = sizeof length + length, size = contents.size() - start;
  const json header =
      json::parse(contents.begin() + sizeof length,
                  contents.begin() + static_cast<std::ptrdiff_t>(start), nullptr, false);
  if (!header.is_object()) bad(path, "whose header is not a JSON object");
  Archive archive;
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const auto& item : header.items()) {
    const std::string& name = item.key();
    const json& entry = item.value();
    if (name == "__metadata__") {
      if (!entry.is_object()) bad(path, "whose metadata is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) bad(path, to_text("whose metadata '", key, "' is not text"));
        archive.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    const auto field = [&](const char* key) -> const json& {
      if (!entry.is_object() || !entry.contains(key))
        bad(path, to_text("whose tensor '", name, "' has no ", key));
      return entry[key];
    };
    const json &type = field("dtype"), &shape = field("shape"), &offsets = field("data_offsets");
    const auto dtype = type.is_string() ? type_of(type.get<std::string>()) : std::nullopt;
    if (!dtype)
      bad(path, to_text("whose tensor '", name, "' has dtype ", type.dump(),
                        ", expected BOOL, I64, F32 or F64"));
    if (!shape.is_array() || shape.size() > Shape::kMaxRank)
      bad(path, to_text("whose tensor '", name, "' has shape ", shape.dump()));
    Shape extents;
    std::uint64_t elements = 1, span = 1;  // span: the product of the extents that are not 0
    for (const json& extent : shape) {
      if (!extent.is_number_unsigned() || extent.get<std::uint64_t>() > (std::uint64_t{1} << 40))
        bad(path, to_text("whose tensor '", name, "' has shape ", shape.dump()));
      const auto n = extent.get<std::uint64_t>();
      if (n > 0 && span > (std::uint64_t{1} << 48) / n)
        bad(path, to_text("whose tensor '", name, "' is too large"));
      span *= n > 0 ? n : 1;
      elements *= n;
      extents.push_back(static_cast<std::int64_t>(n));
    }
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      bad(path, to_text("whose tensor '", name, "' has offsets ", offsets.dump()));
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin > end || end > size || end - begin != elements * size_of(*dtype))
      bad(path, to_text("whose tensor '", name, "' lies at ", offsets.dump(), " of ", size,
                        " bytes, expected ", static_cast<unsigned long>(elements * size_of(*dtype)),
                        " bytes"));
    ranges.emplace_back(begin, end);
    Tensor t = empty(extents, *dtype);
    if (*dtype == kBool)
      for (std::uint64_t i = 0; i < elements; ++i)
        t.data_ptr<bool>()[i] = contents[start + begin + i] != 0;
    else if (end > begin)
      std::memcpy(t.raw(), contents.data() + start + begin, end - begin);
    archive.tensors[name] = t;
  }
  std::sort(ranges.begin(), ranges.end());
  std::size_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered)
      bad(path, to_text("whose tensors overlap or leave a gap at byte ", covered));
    covered = end;
  }
  if (covered != size)
    bad(path, to_text("which has ", size - covered, " bytes that belong to no tensor"));
  return archive;
}

}  // namespace descent
