#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/data/dataset.h>

#include <cmath>
#include <numbers>

namespace descent::data {
namespace {

constexpr double kPi = std::numbers::pi;

void check(const char* op, std::int64_t n, std::int64_t kinds, double noise) {
  if (n < kinds || kinds < 1 || !(noise >= 0))
    fail<ValueError>(op, "got n = ", n, " and noise = ", noise,
                     ", expected n >= ", kinds < 1 ? 1 : kinds, " and noise >= 0");
}

/// n points in the plane. f(i, at) writes the two coordinates of point i to `at` and returns the
/// class of the point.
template <class F>
Dataset points(const char* name, std::int64_t n, std::int64_t classes, double noise,
               Generator& generator, F f) {
  Dataset d{name, empty({n, 2}), empty({n}, kInt64), {"x1", "x2"}, {}};
  for (std::int64_t c = 0; c < classes; ++c) d.classes.push_back(std::to_string(c));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t c = f(i, d.x.data_ptr<float>() + 2 * i);
    d.y.data_ptr<std::int64_t>()[i] = c;
  }
  if (noise > 0) d.x.add_(randn({n, 2}, generator), noise);
  return d;
}

void put(float* at, double x, double y) {
  at[0] = static_cast<float>(x);
  at[1] = static_cast<float>(y);
}

}  // namespace

Dataset moons(std::int64_t n, double noise, std::uint64_t seed) {
  check("moons", n, 2, noise);
  Generator generator(seed);
  return points("moons", n, 2, noise, generator, [&](std::int64_t i, float* at) {
    const double t = kPi * generator.uniform();
    if (i % 2 == 0)
      put(at, std::cos(t), std::sin(t));
    else
      put(at, 1 - std::cos(t), 0.5 - std::sin(t));
    return i % 2;
  });
}

Dataset spirals(std::int64_t n, std::int64_t arms, double noise, std::uint64_t seed) {
  check("spirals", n, arms, noise);
  Generator generator(seed);
  return points("spirals", n, arms, noise, generator, [&](std::int64_t i, float* at) {
    const double r = 0.05 + 0.95 * generator.uniform();
    const double angle =
        3 * kPi * r + 2 * kPi * static_cast<double>(i % arms) / static_cast<double>(arms);
    put(at, r * std::cos(angle), r * std::sin(angle));
    return i % arms;
  });
}

Dataset blobs(std::int64_t n, std::int64_t centres, std::int64_t features, double std,
              std::uint64_t seed) {
  check("blobs", n, centres, std);
  if (features < 1) fail<ValueError>("blobs", "got ", features, " features, expected 1 or more");
  Generator generator(seed);
  const Tensor centre = rand({centres, features}, generator).mul_(10).sub_(5);
  Dataset d{"blobs", Tensor(), empty({n}, kInt64), {}, {}};
  for (std::int64_t c = 0; c < centres; ++c) d.classes.push_back(std::to_string(c));
  for (std::int64_t i = 0; i < n; ++i) d.y.data_ptr<std::int64_t>()[i] = i % centres;
  d.x = centre.index_select(0, d.y).add_(randn({n, features}, generator), std);
  return d;
}

Dataset xor_points(std::int64_t n, double noise, std::uint64_t seed) {
  check("xor_points", n, 2, noise);
  Generator generator(seed);
  return points("xor", n, 2, noise, generator, [&](std::int64_t, float* at) {
    put(at, 2 * generator.uniform() - 1, 2 * generator.uniform() - 1);
    return static_cast<std::int64_t>((at[0] > 0) != (at[1] > 0));
  });
}

Dataset linear_regression(std::int64_t n, std::int64_t features, double noise, std::uint64_t seed) {
  check("linear_regression", n, 1, noise);
  if (features < 1)
    fail<ValueError>("linear_regression", "got ", features, " features, expected 1 or more");
  Generator generator(seed);
  std::vector<float> w;
  for (std::int64_t k = 1; k <= features; ++k) w.push_back(static_cast<float>(k % 2 == 1 ? k : -k));
  Dataset d{"linear", randn({n, features}, generator), Tensor(), {}, {}};
  d.y = d.x.matmul(tensor(w, {features, 1})).add_(1).add_(randn({n, 1}, generator), noise);
  return d;
}

Dataset sine_regression(std::int64_t n, double noise, std::uint64_t seed) {
  check("sine_regression", n, 1, noise);
  Generator generator(seed);
  Dataset d{"sine", rand({n, 1}, generator).mul_(2 * kPi).sub_(kPi), empty({n, 1}), {"x"}, {}};
  for (std::int64_t i = 0; i < n; ++i)
    d.y.data_ptr<float>()[i] = std::sin(d.x.data_ptr<float>()[i]);
  d.y.add_(randn({n, 1}, generator), noise);
  return d;
}

}  // namespace descent::data
