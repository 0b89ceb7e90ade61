// Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), keyed by a
// seed and a stream, with our own distributions: the same numbers on every platform, for any
// number of threads. The state is three numbers, so a checkpoint can hold it.
#pragma once

#include <array>
#include <cstdint>

namespace descent {

class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) noexcept
      : state_{seed, stream, 0} {}

  struct State {
    std::uint64_t seed, stream, counter;
    friend bool operator==(const State&, const State&) = default;
  };
  const State& state() const noexcept { return state_; }
  void set_state(const State& s) noexcept { state_ = s; }

  /// The next 128 random bits. Block i of a stream depends on (seed, stream, i) alone.
  std::array<std::uint32_t, 4> next_block() noexcept { return block(state_.counter++); }
  std::array<std::uint32_t, 4> block(std::uint64_t i) const noexcept;
  /// Reserves n consecutive blocks and returns the number of the first.
  std::uint64_t reserve(std::uint64_t n) noexcept {
    const std::uint64_t first = state_.counter;
    state_.counter += n;
    return first;
  }

  std::uint64_t next() noexcept;                  ///< 64 random bits; one block
  double uniform() noexcept;                      ///< in [0, 1), 53 bits
  std::uint64_t below(std::uint64_t n) noexcept;  ///< uniform in [0, n), n > 0

 private:
  State state_;
};

/// The generator of the calling thread, used wherever none is given; seeded with 0 at first.
Generator& default_generator() noexcept;
/// Starts the calling thread's generator anew.
void manual_seed(std::uint64_t seed) noexcept;

namespace detail {
// Elementary functions from basic arithmetic only, so that every platform draws the same normals.
double portable_log(double x) noexcept;                                         // x in (0, 1]
void portable_sincos_turn(double turn, double& sine, double& cosine) noexcept;  // of 2π·turn
}  // namespace detail

}  // namespace descent
