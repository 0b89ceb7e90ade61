// gzip: what gunzip() accepts, packed anew, unpacks to the same; no limit is passed. The first byte
// says whether the rest is packed already. If it is not, the fuzzer packs it, so that checksums
// fit.
#include "tests/fuzz/fuzz.h"

#include <descent/core/files.h>

#include <zlib.h>

using namespace descent;

namespace {

std::string packed(std::string_view text) {
  z_stream stream{};
  fuzz::require(deflateInit2(&stream, 1, Z_DEFLATED, 16 + 9, 1, Z_DEFAULT_STRATEGY) == Z_OK,
                "zlib starts");
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  fuzz::require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib packs");
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices choices(data, size);
  const bool pack = choices.byte() == 'p';
  const std::string text(choices.rest());
  if (!pack) {
    std::string out;
    const UnpackLimits limits{.bytes = 100000, .always = 1000, .ratio = 20};
    if (!fuzz::accepts([&] { out = gunzip(text, "input", limits); })) return 0;
    if (out == text) return 0;  // not packed
    fuzz::require(
        out.size() <= 100000 && out.size() <= std::max<std::size_t>(1000, text.size() * 20),
        "no limit is passed");
    fuzz::require(gunzip(packed(out), "again") == out, "what is packed again unpacks to the same");
    return 0;
  }
  // Two members; the text says where the first one ends and where the file is cut off.
  const std::size_t middle = text.size() / 2;
  const std::string first = packed(text.substr(0, middle)), second = packed(text.substr(middle));
  fuzz::require(gunzip(first + second, "two") == text, "all members are unpacked");
  const std::string all = first + second;
  const std::size_t end = text.empty() ? 0 : static_cast<unsigned char>(text[0]) % all.size();
  std::string out;
  if (fuzz::accepts([&] { out = gunzip(all.substr(0, end), "cut"); }) && end > 1)
    fuzz::require(end == first.size() && out == text.substr(0, middle),
                  "a file that is cut off is refused");
  return 0;
}
