// IDX: what load_idx() accepts is, written by shape and values, the file that was read.
#include "tests/fuzz/fuzz.h"

#include <descent/core/files.h>
#include <descent/data/files.h>

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string& path = fuzz::file_with(data, size);
  Tensor t;
  if (fuzz::accepts([&] { t = data::load_idx(path); })) {
    std::string written{'\0', '\0', '\x08', static_cast<char>(t.dim())};
    for (const std::int64_t n : t.shape())
      for (int shift = 24; shift >= 0; shift -= 8) written += static_cast<char>(n >> shift & 255);
    for (const double v : t.to_vector()) written += static_cast<char>(static_cast<int>(v));
    fuzz::require(written == gunzip(read_file(path), path),
                  "an IDX file holds its shape and values");
  }
  fuzz::accepts([&] { data::idx(path, path); });
  return 0;
}
