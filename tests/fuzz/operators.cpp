// Operators: a random graph, differentiated in several ways, gives the same derivatives.
#include "tests/fuzz/fuzz.h"
#include "tests/support/random_graph.h"

using namespace descent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::int64_t nodes = live_nodes();
  std::string fault;
  fuzz::accepts([&] {
    testing::RandomGraph graph{testing::Choices(std::span(data, size))};
    testing::Tally tally;
    fault = testing::check_derivatives(graph, 2, tally);
  });
  fuzz::require(fault.empty(), fault);
  fuzz::require(live_nodes() == nodes, "no graph keeps itself alive");
  return 0;
}
