// Times one workload and prints one line:
//
//   descent WORKLOAD THREADS median_us p10 p90 final_loss [key=value]
//
//   descent_bench --workload mnist_s --threads 1 --seconds 2 [--mode eager|compiled]
//                 [--dtype float32|float64]
//   descent_bench --workload digits --check 100       the loss at steps 1, 2, 5, 10 …
//   descent_bench --workload tiny --steps 1000        that many steps and nothing else, to count
//                                                     instructions with another program
//
// Workloads: all names of workloads.h; optim_RULE_1x10M and optim_RULE_100x10k; chain1000;
// elementwise_{tanh,exp,gelu,softmax}_1M. With --variant bwd an elementwise workload runs forward
// and backward.
#include "trainer.h"

#include <descent/descent.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

using namespace descent;

namespace {

struct Options {
  std::string workload = "tiny", mode = "eager", variant;
  DType dtype = kFloat32;
  int threads = 1;
  double seconds = 2;
  double lr_scale = 0;  // 0: 1 in a check, 1e-3 when timed, lest the net reach a loss of zero
  long check = 0, steps = 0;
};

Options parse(int argc, char** argv) {
  Options o;
  const auto usage = [](const char* what, const std::string& got) {
    std::fprintf(stderr, "[descent_bench] got %s '%s'. Hint: the first lines of the source\n", what,
                 got.c_str());
    std::exit(2);
  };
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) usage("no value for", name);
    const std::string value = argv[i + 1];
    if (name == "--workload")
      o.workload = value;
    else if (name == "--mode" && (value == "eager" || value == "compiled"))
      o.mode = value;
    else if (name == "--dtype" && (value == "float32" || value == "float64"))
      o.dtype = value == "float32" ? kFloat32 : kFloat64;
    else if (name == "--variant")
      o.variant = value;
    else if (name == "--threads")
      o.threads = std::stoi(value);
    else if (name == "--seconds")
      o.seconds = std::stod(value);
    else if (name == "--lr-scale")
      o.lr_scale = std::stod(value);
    else if (name == "--check")
      o.check = std::stol(value);
    else if (name == "--steps")
      o.steps = std::stol(value);
    else
      usage("the option", name + " " + value);
  }
  if (o.lr_scale == 0) o.lr_scale = o.check > 0 ? 1 : 1e-3;
  return o;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Warms up for a fifth of the time, then times each step; value() is printed at the end.
template <class Step, class Value>
void measure(const Options& o, Step&& step, Value&& value, const std::string& extra = {}) {
  if (o.steps > 0) {
    for (long i = 0; i < o.steps; ++i) step();
    return;
  }
  const double start = now();
  for (int i = 0; i < 3 || now() - start < 0.2 * o.seconds; ++i) step();
  std::vector<double> us;
  us.reserve(1 << 20);
  const double begin = now();
  double before = begin;
  while (before - begin < o.seconds || us.size() < 3) {
    step();
    const double after = now();
    us.push_back((after - before) * 1e6);
    before = after;
  }
  std::sort(us.begin(), us.end());
  const auto quantile = [&](double q) {
    return us[static_cast<std::size_t>(q * static_cast<double>(us.size() - 1) + 0.5)];
  };
  std::string tail = extra;
  if (tail == "ns_per_op") tail += "=" + std::to_string(quantile(0.5));
  std::printf("descent%s%s %s %d %.3f %.3f %.3f %.6g %s\n", o.mode == "compiled" ? "_compiled" : "",
              o.variant == "bwd" ? "_bwd" : "", o.workload.c_str(), o.threads, quantile(0.5),
              quantile(0.1), quantile(0.9), static_cast<double>(value()), tail.c_str());
}

int run_training(const Options& o, const bench::Workload& w) {
  bench::Trainer trainer(w, o.lr_scale, o.mode == "compiled", o.dtype);
  if (o.check > 0) {
    for (long s = 1, next = 1; s <= o.check; ++s) {
      trainer.step();
      if (s != next && s != o.check) continue;
      std::printf("descent %s step %ld loss %.7g\n", o.workload.c_str(), s, trainer.loss());
      while (next <= s) next = std::to_string(next)[0] == '2' ? next / 2 * 5 : next * 2;
    }
    return 0;
  }
  measure(
      o, [&] { trainer.step(); }, [&] { return trainer.loss(); });
  return 0;
}

// ---- the optimizer alone ----

int run_optimizer(const Options& o) {
  const std::size_t dash = o.workload.find('_', 6);
  const std::string rule = o.workload.substr(6, dash - 6), size = o.workload.substr(dash + 1);
  const char* names[] = {"sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"};
  const auto found = std::find(std::begin(names), std::end(names), rule);
  if (found == std::end(names) || (size != "1x10M" && size != "100x10k")) return 3;
  const auto kind = static_cast<bench::Rule>(found - names);
  const std::int64_t count = size == "1x10M" ? 1 : 100, n = count == 1 ? 10'000'000 : 10'000;
  Parameters parameters;
  for (std::int64_t i = 0; i < count; ++i) {
    const Tensor w = full({n}, 0.5).requires_grad_();
    w.set_grad(linspace(-1e-2, 1e-2, n));
    parameters.push_back({std::to_string(i), w});
  }
  optim::Optimizer optimizer = bench::make_optimizer(kind, parameters, 1e-4);
  auto compiled = compile([&] { optimizer.step(); });
  measure(
      o, [&] { o.mode == "compiled" ? compiled() : optimizer.step(); },
      [&] { return mean(parameters[0].value).item(); });
  return 0;
}

// ---- operators ----

int run_chain(const Options& o) {
  const Tensor x = ones({1}).requires_grad_(), c = full({1}, 1e-3);
  Tensor y;
  const auto chain = [&] {
    x.zero_grad();
    Tensor sum = x;
    for (int i = 0; i < 1000; ++i) sum = sum + c;
    sum.backward();
    return sum;
  };
  auto compiled = compile(chain);
  const auto step = [&] { y = o.mode == "compiled" ? compiled() : chain(); };
  measure(
      o, step, [&] { return y.item(); }, "ns_per_op");
  return 0;
}

int run_elementwise(const Options& o) {
  const std::string name = o.workload.substr(12, o.workload.find('_', 12) - 12);
  const std::int64_t side = 1024;
  const Tensor x = linspace(-4, 4, side * side).reshape({side, side}).clone();
  const Tensor g = linspace(-1, 1, side * side).reshape({side, side}).clone();
  const bool backward = o.variant == "bwd";
  if (backward) x.requires_grad_();
  std::function<Tensor()> f;
  if (name == "tanh") f = [&] { return tanh(x); };
  if (name == "exp") f = [&] { return exp(x); };
  if (name == "gelu") f = [&] { return gelu(x); };
  if (name == "softmax") f = [&] { return softmax(x, 1); };
  if (!f) return 3;
  Tensor y;
  const auto run = [&] {
    if (!backward) return f();
    x.zero_grad();
    const Tensor value = f();
    value.backward(g);
    return value;
  };
  const auto run_once = [&] { y = run(); };
  auto compiled = compile(run_once);
  const auto step = [&] { o.mode == "compiled" ? compiled() : run_once(); };
  measure(o, step, [&] { return mean(backward ? abs(x.grad()) : y).item(); });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  set_num_threads(o.threads);
  int result = 3;
  if (const auto w = bench::find_workload(o.workload))
    result = run_training(o, *w);
  else if (o.workload.rfind("optim_", 0) == 0)
    result = run_optimizer(o);
  else if (o.workload == "chain1000")
    result = run_chain(o);
  else if (o.workload.rfind("elementwise_", 0) == 0)
    result = run_elementwise(o);
  if (result == 3) std::fprintf(stderr, "descent_bench %s unsupported\n", o.workload.c_str());
  return result;
}
