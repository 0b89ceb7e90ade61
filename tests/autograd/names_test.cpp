// A program that says `using namespace descent` and defines the macros of Qt and <complex.h> must
// compile.
#define slots
#define signals
#define emit
#define I 1i
#include <descent/autograd/compile.h>
#include <descent/autograd/engine.h>
#include <descent/autograd/function.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/gradcheck.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/autograd/parameter.h>
#include <descent/core/archive.h>
#include <descent/core/create.h>
#include <descent/core/launch.h>
#include <descent/core/log.h>
#include <descent/core/memory.h>
#include <descent/core/parallel.h>
#include <descent/core/random.h>
#include <descent/core/simd/pack.h>
#include <descent/core/text.h>
#include <descent/core/thread_state.h>
#include <descent/data/dataset.h>
#include <descent/data/files.h>
#include <descent/data/loader.h>
#include <descent/nn/activations.h>
#include <descent/nn/init.h>
#include <descent/nn/layers.h>
#include <descent/nn/loss.h>
#include <descent/nn/module.h>
#include <descent/nn/rnn.h>
#include <descent/nn/sequential.h>
#undef I
#undef emit
#undef signals
#undef slots

#include <gtest/gtest.h>

using namespace descent;

TEST(Names, AreUnambiguousWithTheNamespaceOpen) {
  const Tensor x = tensor({{1.0, 3.0}, {2.0, 6.0}});
  EXPECT_EQ(stddev(x, {1}, 0).to_vector(), (std::vector<double>{1, 2}));
  EXPECT_EQ(x.std({1}, 0).to_vector(), (std::vector<double>{1, 2}));
  EXPECT_EQ(linear(x, x).to_vector(), (std::vector<double>{10, 20, 20, 40}));
}
