// Compiled steps: a random graph, recorded and replayed, has the bits of eager steps. The first
// byte says whether the step computes second derivatives.
#include "tests/fuzz/fuzz.h"
#include "tests/support/random_graph.h"

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::int64_t nodes = live_nodes();
  const int order = size > 0 ? data[0] % 2 : 0;
  std::string fault;
  fuzz::accepts([&] {
    testing::RandomGraph graph(testing::Choices(std::span(data, size).subspan(size > 0 ? 1 : 0)),
                               true);
    testing::Tally tally;
    fault = testing::check_compiled(graph, order, tally);
  });
  fuzz::require(fault.empty(), fault);
  fuzz::require(live_nodes() == nodes, "no graph keeps itself alive");
  return 0;
}
