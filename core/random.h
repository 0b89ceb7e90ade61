// Random numbers that are the same on every platform and for any number of threads.
//
//   manual_seed(1);              // the calling thread's generator
//   Generator g(1);              // a generator of one's own
//   Tensor x = randn({2, 3}, g);
//
// The algorithm is Philox 4×32-10: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
// 3". A seed and a stream are its key. The distributions are our own, made of basic arithmetic.
#pragma once

#include <array>
#include <cstdint>

namespace descent {

/// A source of random numbers. Its state is three numbers, so a checkpoint can hold it. Not
/// thread-safe: each thread has a generator of its own.
class Generator {
 public:
  /// Two streams of one seed give independent numbers.
  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) noexcept
      : state_{seed, stream, 0} {}

  /// Everything that decides which numbers come next.
  struct State {
    std::uint64_t seed;     ///< as given to the constructor
    std::uint64_t stream;   ///< as given to the constructor
    std::uint64_t counter;  ///< how many blocks of four numbers were drawn
    friend bool operator==(const State&, const State&) = default;
  };
  /// The present state. set_state() can put it back later.
  const State& state() const noexcept { return state_; }
  /// Makes this generator go on exactly where the generator with state s was.
  void set_state(const State& s) noexcept { state_ = s; }

  /// The next 128 random bits.
  std::array<std::uint32_t, 4> next_block() noexcept { return block(state_.counter++); }
  /// Block i of the stream: 128 bits, which depend on (seed, stream, i) alone.
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

/// The calling thread's generator. Functions use it if they are not given a generator. The
/// reference is valid as long as the thread runs.
///
/// The main thread's generator is Generator(seed), where `seed` is the program's: what the main
/// thread gave to manual_seed(), 0 at first. The n-th other thread that draws after that, from 1,
/// has Generator(seed, 2⁶³ + n). Threads therefore draw different numbers. If the order of their
/// first draws may vary, or a pool decides which thread does what, call manual_seed() with a seed
/// of its own in every task: then each task draws the same numbers whenever and wherever it runs.
Generator& default_generator() noexcept;
/// Restarts the calling thread's generator from this seed. On the main thread, the seed is the
/// program's: the generators of other threads start anew at their next draw, except those of
/// threads that called manual_seed() themselves.
void manual_seed(std::uint64_t seed) noexcept;

namespace detail {
// Elementary functions from basic arithmetic only, so that every platform draws the same normals.
double portable_log(double x) noexcept;                                         // x in (0, 1]
void portable_sincos_turn(double turn, double& sine, double& cosine) noexcept;  // of 2π·turn
}  // namespace detail

}  // namespace descent
