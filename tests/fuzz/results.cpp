// results.json: what --resume accepts, written and read again, is written the same.
#include "study/records.h"
#include "tests/fuzz/fuzz.h"

#include <descent/core/files.h>

using namespace descent;

namespace {

/// Reads results and writes them. Returns the file.
std::string written(const std::string& path) {
  const auto none = nlohmann::ordered_json::object();
  app::Records(path, none, true).save("complete", nullptr);
  return read_file(path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string& path = fuzz::file_with(data, size);
  fuzz::accepts([&] { app::Records(path, {{"data", "iris"}, {"epochs", 20}}, true); });
  std::string first;
  if (!fuzz::accepts([&] { first = written(path); })) return 0;
  fuzz::require(written(path) == first, "results read back");
  return 0;
}
