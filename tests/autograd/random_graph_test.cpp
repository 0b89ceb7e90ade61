// Random graphs: several ways of differentiating one function must agree.
//
// DESCENT_GRAPHS=200000 checks that many graphs, and DESCENT_SEED=7 begins with another one.
#include "tests/support/random_graph.h"

#include <gtest/gtest.h>
#include <cstdlib>
#include <iostream>

namespace descent {
namespace {

using testing::Choices;
using testing::RandomGraph;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(RandomGraphs, HaveOneDerivativeWhicheverWayItIsComputed) {
  testing::Tally tally;
  int faults = 0;
  const std::uint64_t first = setting("DESCENT_SEED", 1), graphs = setting("DESCENT_GRAPHS", 1000);
  for (std::uint64_t seed = first; seed < first + graphs && faults < 20; ++seed) {
    const std::int64_t nodes = live_nodes();
    {
      RandomGraph exact{Choices(seed)}, mixed(Choices(seed), true);
      for (const std::string& fault : {check_derivatives(exact, seed % 8 == 0 ? 3 : 2, tally),
                                       check_compiled(mixed, seed % 4 == 0 ? 1 : 0, tally)}) {
        if (fault.empty()) continue;
        ++faults;
        ADD_FAILURE() << "seed " << seed << ": " << fault;
      }
    }
    ASSERT_EQ(live_nodes(), nodes) << "seed " << seed << ": a graph keeps itself alive";
  }
  std::cout << tally.graphs << " graphs, " << tally.checks << " derivatives, " << tally.at_kinks
            << " at kinks, " << tally.refused << " refused, " << tally.replays << " replays\n";
  EXPECT_LT(tally.at_kinks, tally.checks / 50);
  EXPECT_LT(tally.refused, tally.graphs / 20);
  EXPECT_GT(tally.replays, tally.graphs * 3);
}

TEST(RandomGraphs, FollowFromTheirBytes) {
  const std::vector<std::uint8_t> bytes{2, 9, 9, 1, 3, 0, 5, 200, 17, 4, 90, 33, 7, 61};
  RandomGraph graph{Choices(bytes)}, same{Choices(bytes)},
      empty{Choices(std::span<std::uint8_t>())};
  std::string names, names_again;
  EXPECT_EQ(graph(graph.leaves(), &names).item(), same(same.leaves(), &names_again).item());
  EXPECT_EQ(names, names_again);
  testing::Tally tally;
  EXPECT_EQ(check_derivatives(graph, 3, tally) + check_derivatives(empty, 3, tally), "");
}

}  // namespace
}  // namespace descent
