// How the time of a step grows with width, depth, batch and number of parameters. For each sweep,
// prints the times, and the slope of the log-log line through the larger half of the sizes. Also
// compares the peak memory of a step with the bytes of parameters, state and activations. Prints
// tables in Markdown.
//
//   scaling [seconds per point, 0.2]
#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace descent;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double g_seconds = 0.2;

/// Median time of a call, in µs.
template <class F>
double median_us(F&& f) {
  for (int i = 0; i < 3; ++i) f();
  std::vector<double> us;
  for (const double start = now(); now() - start < g_seconds || us.size() < 3;) {
    const double begin = now();
    f();
    us.push_back((now() - begin) * 1e6);
  }
  std::nth_element(us.begin(), us.begin() + static_cast<long>(us.size() / 2), us.end());
  return us[us.size() / 2];
}

struct Point {
  double size, eager, compiled;
};

double slope(const std::vector<Point>& points, double Point::*cost) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t i = points.size() / 2; i < points.size(); ++i) {
    const double x = std::log(points[i].size), y = std::log(points[i].*cost);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

void print(const char* title, const char* what, const std::vector<Point>& points) {
  std::printf("\n%s\n\n| %s | eager µs | compiled µs |\n|---|---|---|\n", title, what);
  for (const Point& p : points)
    std::printf("| %.0f | %.1f | %.1f |\n", p.size, p.eager, p.compiled);
  std::printf("| slope | %.2f | %.2f |\n", slope(points, &Point::eager),
              slope(points, &Point::compiled));
}

bench::Workload net(int width, int depth, int batch) {
  return {bench::deep(64, width, depth, 10),
          bench::Activation::relu,
          bench::Loss::cross_entropy,
          bench::Rule::adam,
          batch,
          batch * 4,
          1e-6};
}

Point measure(double size, const bench::Workload& w) {
  bench::Trainer eager(w, 1, false), compiled(w, 1, true);
  return {size, median_us([&] { eager.step(); }), median_us([&] { compiled.step(); })};
}

void memory(const bench::Workload& w) {
  const auto live = [] { return static_cast<double>(memory_stats().live_bytes); };
  double state = 0, activations = 0;
  std::printf("| ");
  for (std::size_t l = 0; l + 1 < w.widths.size(); ++l) {
    const double in = w.widths[l], out = w.widths[l + 1];
    state += 4 * 4 * (in * out + out);  // weight, gradient, m, v
    activations += 4 * w.batch * (l == 0 ? in + out : out);
    std::printf("%d-", w.widths[l]);
  }
  std::printf("%d, batch %d | %.1f | %.1f |", w.widths.back(), w.batch, state / 1e6,
              activations / 1e6);
  for (const bool compiled : {false, true}) {
    release_cached_memory();
    const double before = live();
    bench::Trainer trainer(w, 1, compiled);
    const double data = 4.0 * w.rows * w.widths.front() + 16.0 * w.rows;  // x, labels, order
    trainer.step();
    reset_peak_memory();
    for (int i = 0; i < 2; ++i) trainer.step();
    const double peak = static_cast<double>(memory_stats().peak_bytes) - before - data;
    std::printf(" %.1f (%.2f) |", peak / 1e6, peak / (state + activations));
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) g_seconds = std::atof(argv[1]);
  set_num_threads(1);
  std::vector<Point> points;
  for (const int width : {16, 32, 64, 128, 256, 512, 1024, 2048})
    points.push_back(measure(width, net(width, 2, 32)));
  print("64-W-W-10, batch 32, Adam: against the width W (2 in the limit)", "W", points);
  points.clear();
  for (const int depth : {1, 2, 4, 8, 16, 32, 64})
    points.push_back(measure(depth, net(64, depth, 32)));
  print("64-(64 × D)-10, batch 32: against the depth D (1 in the limit)", "D", points);
  points.clear();
  for (const int batch : {1, 4, 16, 64, 256, 1024, 4096})
    points.push_back(measure(batch, net(64, 1, batch)));
  print("64-64-10: against the batch N (1 in the limit)", "N", points);
  points.clear();
  for (const std::int64_t n : {100, 1000, 10'000, 100'000, 1'000'000, 10'000'000}) {
    const Tensor w = full({n}, 0.5).requires_grad_();
    w.set_grad(linspace(-1, 1, n));
    optim::Optimizer optimizer(std::vector<Tensor>{w}, optim::AdamW{.lr = 1e-6});
    const double us = median_us([&] { optimizer.step(); });
    points.push_back({static_cast<double>(n), us, us});
  }
  print("AdamW alone: against the number of parameters (1 in the limit)", "parameters", points);

  std::printf(
      "\nMemory at the peak of a step, in MB (and as a multiple of parameters, gradients, state "
      "and "
      "activations)\n\n| net | parameters, gradients, state | activations | eager | compiled |\n"
      "|---|---|---|---|---|\n");
  memory(net(64, 1, 32));
  memory(net(512, 4, 256));
  memory(net(64, 32, 1024));
  memory({{784, 1000, 1000, 10},
          bench::Activation::relu,
          bench::Loss::cross_entropy,
          bench::Rule::adam,
          128,
          512,
          1e-6});
}
