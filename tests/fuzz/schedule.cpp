// The text of a schedule: what parse_hyper() accepts, text() writes so that it reads back, with the
// same value at every step.
#include "tests/fuzz/fuzz.h"

#include <descent/optim/names/description.h>

#include <bit>
#include <limits>

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  optim::Hyper h = 0;
  if (!fuzz::accepts([&] { h = optim::parse_hyper(text); })) return 0;
  const optim::Hyper again = optim::parse_hyper(h.text());
  fuzz::require(again.text() == h.text(), "a schedule reads back: " + h.text());
  for (const std::int64_t step :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{9}, std::int64_t{1000},
        std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max() - 1}) {
    const double x = h(step), y = again(step);
    fuzz::require(
        std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y) || (x != x && y != y),
        to_text("a schedule has its values: ", h.text(), " at ", step));
  }
  return 0;
}
