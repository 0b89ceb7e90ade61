// Tensors in a file: what load_tensors() accepts, save_tensors() writes so that it reads back
// equal.
#include "tests/fuzz/fuzz.h"

#include <descent/core/archive.h>

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string& path = fuzz::file_with(data, size);
  Archive first, second;
  if (!fuzz::accepts([&] { first = load_tensors(path); })) return 0;
  save_tensors(path, first.tensors, first.metadata);
  second = load_tensors(path);
  fuzz::require(first.metadata == second.metadata, "metadata reads back");
  fuzz::require(first.tensors.size() == second.tensors.size(), "every tensor reads back");
  for (const auto& [name, t] : first.tensors)
    fuzz::require(fuzz::same(t, second.tensors.at(name)), "a tensor reads back with its bits");
  return 0;
}
