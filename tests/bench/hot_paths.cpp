// Google Benchmark over every hot path: kernels by size, operators, steps, optimizer rules,
// loaders. Runs on one thread, unless DESCENT_NUM_THREADS gives another number.
//
//   hot_paths --benchmark_filter=step --benchmark_repetitions=5
//   --benchmark_report_aggregates_only=true
#include "trainer.h"

#include <benchmark/benchmark.h>

#include <cstdlib>

namespace {

using namespace descent;

// ---- kernels ----

void product(benchmark::State& state, bool transposed_a, bool transposed_b) {
  const std::int64_t M = state.range(0), N = state.range(1), K = state.range(2);
  const NoGradGuard guard;
  const Tensor a = transposed_a ? rand({K, M}).t() : rand({M, K});
  const Tensor b = transposed_b ? rand({N, K}).t() : rand({K, N});
  for (auto _ : state) benchmark::DoNotOptimize(matmul(a, b));
  state.counters["flop/s"] = benchmark::Counter(2.0 * static_cast<double>(M * N * K),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
void shapes(benchmark::internal::Benchmark* b) {
  b->Args({32, 64, 64})->Args({64, 128, 784})->Args({128, 1000, 1000})->Args({512, 4096, 1024});
  b->Args({1, 64, 64})->Args({7, 31, 127})->Args({1000, 101, 211});
}
BENCHMARK_CAPTURE(product, forward, false, false)->Apply(shapes);
BENCHMARK_CAPTURE(product, weight_gradient, true, false)->Apply(shapes);
BENCHMARK_CAPTURE(product, input_gradient, false, true)->Apply(shapes);

using Unary = Tensor (*)(const Tensor&);

void unary(benchmark::State& state, Unary f, bool backward) {
  const Tensor x = linspace(-4, 4, state.range(0)), g = ones({state.range(0)});
  if (backward) x.requires_grad_();
  for (auto _ : state) {
    const Tensor y = f(x);
    if (backward) {
      x.zero_grad();
      y.backward(g);
    }
    benchmark::DoNotOptimize(y);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
#define UNARY(name, ...)                                                                   \
  BENCHMARK_CAPTURE(                                                                       \
      unary, name, [](const Tensor& x) -> Tensor { return __VA_ARGS__; }, false)           \
      ->Range(64, 1 << 20);                                                                \
  BENCHMARK_CAPTURE(                                                                       \
      unary, name##_and_back, [](const Tensor& x) -> Tensor { return __VA_ARGS__; }, true) \
      ->Range(64, 1 << 20)
UNARY(add, x + x);
UNARY(mul, x* x);
UNARY(exp, exp(x));
UNARY(log, log(x* x + 1));
UNARY(tanh, tanh(x));
UNARY(sigmoid, sigmoid(x));
UNARY(relu, relu(x));
UNARY(gelu, gelu(x));
UNARY(silu, silu(x));
UNARY(softmax, softmax(x.reshape({-1, 64}), 1).reshape({-1}));
UNARY(log_softmax, log_softmax(x.reshape({-1, 64}), 1).reshape({-1}));
#undef UNARY

void reduction(benchmark::State& state, std::int64_t dim) {
  const Tensor x = rand({state.range(0), state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(sum(x, {dim}));
  state.SetBytesProcessed(state.iterations() * x.numel() * 4);
}
BENCHMARK_CAPTURE(reduction, columns, 0)->Args({32, 64})->Args({128, 1000})->Args({4096, 4096});
BENCHMARK_CAPTURE(reduction, rows, 1)->Args({32, 64})->Args({128, 1000})->Args({4096, 4096});

void cross_entropy_and_back(benchmark::State& state) {
  const std::int64_t N = state.range(0), C = state.range(1);
  const Tensor x = randn({N, C}).requires_grad_(), y = randint(0, C, {N});
  for (auto _ : state) {
    x.zero_grad();
    nn::cross_entropy(x, y).backward();
  }
  state.SetItemsProcessed(state.iterations() * N);
}
BENCHMARK(cross_entropy_and_back)->Args({32, 10})->Args({128, 100})->Args({1024, 1000});

// ---- the graph ----

void chain(benchmark::State& state, bool compiled) {
  const Tensor x = ones({1}).requires_grad_(), c = full({1}, 1e-3);
  const std::int64_t n = state.range(0);
  const auto run = [&] {
    x.zero_grad();
    Tensor y = x;
    for (std::int64_t i = 0; i < n; ++i) y = y + c;
    y.backward();
  };
  auto fast = compile(run);
  for (auto _ : state) compiled ? fast() : run();
  state.SetItemsProcessed(state.iterations() * n);
}
BENCHMARK_CAPTURE(chain, eager, false)->Arg(10)->Arg(1000)->Arg(100'000);
BENCHMARK_CAPTURE(chain, compiled, true)->Arg(10)->Arg(1000)->Arg(100'000);

// ---- steps ----

void step(benchmark::State& state, const char* workload, bool compiled) {
  bench::Trainer trainer(*bench::find_workload(workload), 1e-3, compiled);
  for (auto _ : state) trainer.step();
}
#define STEP(name)                                     \
  BENCHMARK_CAPTURE(step, name##_eager, #name, false); \
  BENCHMARK_CAPTURE(step, name##_compiled, #name, true)
STEP(tiny);
STEP(digits);
STEP(mnist_s);
STEP(mnist_m);
STEP(deep);
STEP(pinn);
STEP(sam_mnist_s);
#undef STEP

// ---- optimizers: every rule of the registry ----

void rule(benchmark::State& state, const optim::Entry& entry) {
  Parameters parameters;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    const Tensor w = full({state.range(1)}, 0.5).requires_grad_();
    w.set_grad(linspace(-1e-2, 1e-2, state.range(1)));
    parameters.push_back({std::to_string(i), w});
  }
  optim::Optimizer optimizer = entry.make(parameters, {});
  for (auto _ : state) optimizer.step();
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}

// ---- data ----

void loader(benchmark::State& state, bool shuffle) {
  data::DataLoader batches(data::digits(), {.batch_size = state.range(0), .shuffle = shuffle});
  for (auto _ : state)
    for (auto [x, y] : batches) benchmark::DoNotOptimize(x);
  state.SetItemsProcessed(state.iterations() * 1797);
}
BENCHMARK_CAPTURE(loader, shuffled, true)->Arg(1)->Arg(32)->Arg(256);
BENCHMARK_CAPTURE(loader, in_order, false)->Arg(1)->Arg(32)->Arg(256);

}  // namespace

int main(int argc, char** argv) {
  if (!std::getenv("DESCENT_NUM_THREADS")) set_num_threads(1);
  for (const optim::Entry& e : optim::registry())
    if (!e.is_wrapper)
      benchmark::RegisterBenchmark(("rule/" + e.name).c_str(),
                                   [&e](benchmark::State& s) { rule(s, e); })
          ->Args({100, 10'000})
          ->Args({1, 10'000'000});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
