// An optimizer gives the same bits on every instruction set, but for the exceptions that one list
// below names. A level is chosen once in a process, so each level runs in a process of its own.
#include "tests/optim/all_optimizers.h"

#include <descent/core/simd/level.h>
#include <descent/descent.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <array>
#include <bit>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <sstream>

namespace descent {
namespace {

/// A hash of the bits of all weights after five steps.
std::uint64_t bits_after_steps(const std::string& description, DType dtype) {
  Generator generator(11);
  Parameters all;
  std::vector<Tensor> slopes;
  for (const Shape& shape : {Shape{40, 30}, Shape{33}})
    if (shape.rank() == 2 || description != "muon") {
      all.push_back({to_text("w", all.size()), randn(shape, generator, dtype).requires_grad_()});
      slopes.push_back(randn(shape, generator, dtype));
    }
  optim::Optimizer o = optim::make(description, all);
  o.set_non_finite(optim::NonFinite::ignore);  // a search goes down this plane to an infinite loss
  for (int t = 0; t < 5; ++t)
    o.step([&] {
      Tensor loss = zeros({}, dtype);
      for (std::size_t i = 0; i < all.size(); ++i)
        loss = loss + sum(all[i].value * slopes[i] * (t - 1.5));
      return testing::returned(o, loss);
    });
  std::uint64_t hash = 14695981039346656037u;
  for (const Parameter& p : all)
    for (const double w : p.value.to_vector())
      hash = (hash ^ std::bit_cast<std::uint64_t>(w)) * 1099511628211u;
  return hash;
}

// The test below runs this one in processes of other levels, and reads what it prints.
TEST(Levels, AnOptimizerRepeatsItsBits) {
  for (const auto& [name, description] : testing::all_optimizers())
    for (const DType dtype : {kFloat64, kFloat32}) {
      const std::uint64_t bits = bits_after_steps(description, dtype);
      EXPECT_EQ(bits, bits_after_steps(description, dtype)) << name;
      std::printf("bits %s_%s %llx\n", name.c_str(), dtype == kFloat64 ? "double" : "float",
                  static_cast<unsigned long long>(bits));
    }
}

std::map<std::string, std::string> bits_at(simd::Level level) {
  const std::string command = to_text("DESCENT_SIMD=", to_string(level), " /proc/", getpid(),
                                      "/exe --gtest_filter=Levels.AnOptimizerRepeatsItsBits");
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::map<std::string, std::string> all;
  for (std::array<char, 256> line; fgets(line.data(), line.size(), pipe.get());) {
    std::istringstream words(line.data());
    std::string word, name, bits;
    if (words >> word >> name >> bits && word == "bits") all[name] = bits;
  }
  return all;
}

/// The one list of exceptions; core/README.md names them too.
bool differs_by_level(const std::string& name) {
  const auto is_of = [&](std::initializer_list<const char*> rules) {
    for (const char* rule : rules)
      if (name.starts_with(rule)) return true;
    return false;
  };
  // Products of matrices, and sums of squares, fuse a product and a sum where the set can.
  if (is_of({"muon", "soap", "agc", "clip_norm", "sam", "asam", "all_wrappers", "other_wrappers",
             "lm", "gauss_newton", "natural_gradient", "spring", "cmaes", "shampoo"}))
    return true;
  // In float, fma() and ratio() round otherwise under AVX-512.
  return name.ends_with("_float") &&
         is_of({"adadelta", "adagrad", "rmsprop", "lamb", "prodigy", "schedule_free_adamw"});
}

TEST(Levels, AnOptimizerGivesTheSameBitsOnEveryLevel) {
  const auto baseline = bits_at(simd::Level::baseline);
  EXPECT_EQ(baseline.size(), 2 * testing::all_optimizers().size());
  for (const simd::Level level : {simd::Level::avx2, simd::Level::avx512}) {
    if (level > simd::level()) continue;  // the processor lacks it
    const auto here = bits_at(level);
    EXPECT_EQ(here.size(), baseline.size());
    for (const auto& [name, bits] : here)
      if (!differs_by_level(name)) {
        EXPECT_EQ(bits, baseline.at(name)) << name << " at " << to_string(level);
      }
  }
}

}  // namespace
}  // namespace descent
