#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>
#include <descent/core/random.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <thread>

namespace descent {

namespace {
/// bits · n / 2^64: a number below n; the bias is below n · 2^-64.
std::uint64_t scale(std::uint64_t bits, std::uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits) * n) >> 64);
}
}  // namespace

std::array<std::uint32_t, 4> Generator::block(std::uint64_t i) const noexcept {
  std::uint32_t c0 = static_cast<std::uint32_t>(i), c1 = static_cast<std::uint32_t>(i >> 32),
                c2 = static_cast<std::uint32_t>(state_.stream),
                c3 = static_cast<std::uint32_t>(state_.stream >> 32);
  std::uint32_t k0 = static_cast<std::uint32_t>(state_.seed),
                k1 = static_cast<std::uint32_t>(state_.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0, p1 = std::uint64_t{0xCD9E8D57} * c2;
    const auto n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const auto n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

std::uint64_t Generator::next() noexcept {
  const auto b = next_block();
  return std::uint64_t{b[0]} << 32 | b[1];
}

double Generator::uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

std::uint64_t Generator::below(std::uint64_t n) noexcept { return scale(next(), n); }

namespace {

constexpr std::uint64_t kOfThreads = std::uint64_t{1} << 63;  // streams of other threads begin here

/// The program's seed, and how many threads have drawn from it. `era` counts the calls of
/// manual_seed() on the main thread.
struct Program {
  std::mutex mutex;
  std::uint64_t seed = 0, threads = 0;
  std::atomic<std::uint64_t> era = 1;
} g_program;

const std::thread::id g_main = std::this_thread::get_id();  // the thread that loads the library

bool on_main() noexcept {
  return g_main == std::this_thread::get_id() || g_main == std::thread::id();  // still loading
}

struct OfThread {
  Generator generator;
  std::uint64_t era = on_main() ? kOwn : 0;                 // of the program's seed
  static constexpr std::uint64_t kOwn = ~std::uint64_t{0};  // a seed of its own
};

OfThread& of_thread() noexcept {
  thread_local OfThread t;
  return t;
}

}  // namespace

Generator& default_generator() noexcept {
  OfThread& t = of_thread();
  if (t.era != OfThread::kOwn && t.era != g_program.era.load(std::memory_order_acquire)) {
    const std::lock_guard lock(g_program.mutex);
    t.generator = Generator(g_program.seed, kOfThreads + ++g_program.threads);
    t.era = g_program.era;
  }
  return t.generator;
}

void manual_seed(std::uint64_t seed) noexcept {
  of_thread() = {Generator(seed), OfThread::kOwn};
  if (!on_main()) return;
  const std::lock_guard lock(g_program.mutex);
  g_program.seed = seed;
  g_program.threads = 0;
  ++g_program.era;
}

namespace detail {

double portable_log(double x) noexcept {  // log x = e·ln 2 + 2·atanh(s), s = (m−1)/(m+1)
  const auto bits = std::bit_cast<std::uint64_t>(x);
  int e = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 0;
  for (int k = 23; k >= 1; k -= 2) p = p * z + 1.0 / k;
  return e * 0.6931471805599453 + 2 * s * p;
}

void portable_sincos_turn(double turn, double& sine, double& cosine) noexcept {
  // To the nearest quarter; turn is not negative. NOLINTNEXTLINE(bugprone-incorrect-roundings)
  const int quadrant = static_cast<int>(turn * 4 + 0.5);
  const double x = (turn - quadrant * 0.25) * 6.283185307179586, z = x * x;
  double s = 0, c = 0;
  for (int k = 17; k >= 3; k -= 2) s = (s + 1) * (-z / (k * (k - 1)));
  for (int k = 16; k >= 2; k -= 2) c = (c + 1) * (-z / (k * (k - 1)));
  s = x * (1 + s);
  c = 1 + c;
  sine = quadrant & 1 ? c : s;
  cosine = quadrant & 1 ? s : c;
  if ((quadrant & 3) == 2 || (quadrant & 3) == 3) sine = -sine;
  if ((quadrant & 3) == 1 || (quadrant & 3) == 2) cosine = -cosine;
}

}  // namespace detail

namespace {

constexpr std::int64_t kGrain = 16384;  // elements a task; a multiple of four

/// Returns null for the calling thread's default generator, and otherwise the address of the
/// generator. If a recorded step is replayed on another thread, null stands for the other thread's
/// default generator.
Generator* own_or_default(Generator& generator) {
  return &generator == &default_generator() ? nullptr : &generator;
}

// Draws four floats, or two doubles, from each block, so that element i always comes from the same
// bits.
template <class T, class Draw>
void fill(Tensor& out, Generator& generator, Draw draw) {
  constexpr int kPerBlock = sizeof(T) == 4 ? 4 : 2;
  const std::int64_t n = out.numel();
  T* p = kernel::data<T>(out);
  detail::launch("random", {&out}, {}, [=, source = own_or_default(generator)] {
    Generator& g = source ? *source : default_generator();
    const auto first = g.reserve(static_cast<std::uint64_t>((n + kPerBlock - 1) / kPerBlock));
    const Generator frozen = g;
    parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += kPerBlock) {
        T values[kPerBlock];
        draw(frozen.block(first + static_cast<std::uint64_t>(i / kPerBlock)), values);
        for (int k = 0; k < kPerBlock && i + k < end; ++k) p[i + k] = values[k];
      }
    });
  });
}

double unit(std::uint32_t high, std::uint32_t low) {
  return static_cast<double>((std::uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
}

void check_floating(const char* op, DType dtype) {
  if (!is_floating(dtype))
    fail<DTypeError>(op, "got dtype ", dtype, ", expected float32 or float64");
}

void box_muller(double u1, double u2, double& a, double& b) {  // u1 in (0, 1]
  const double radius = std::sqrt(-2 * detail::portable_log(u1));
  double sine, cosine;
  detail::portable_sincos_turn(u2, sine, cosine);
  a = radius * cosine;
  b = radius * sine;
}

}  // namespace

Tensor rand(const Shape& shape, DType dtype) { return rand(shape, default_generator(), dtype); }

Tensor rand(const Shape& shape, Generator& generator, DType dtype) {
  check_floating("rand", dtype);
  Tensor out = empty(shape, dtype);
  if (dtype == kFloat32)
    fill<float>(out, generator, [](const auto& b, float* v) {
      for (int k = 0; k < 4; ++k) v[k] = static_cast<float>(b[k] >> 8) * 0x1p-24f;
    });
  else
    fill<double>(out, generator, [](const auto& b, double* v) {
      for (int k = 0; k < 2; ++k) v[k] = unit(b[2 * k], b[2 * k + 1]);
    });
  return out;
}

Tensor rand_like(const Tensor& t) { return rand(t.shape(), t.dtype()); }
Tensor randn_like(const Tensor& t) { return randn(t.shape(), t.dtype()); }

Tensor randn(const Shape& shape, DType dtype) { return randn(shape, default_generator(), dtype); }

Tensor randn(const Shape& shape, Generator& generator, DType dtype) {
  check_floating("randn", dtype);
  Tensor out = empty(shape, dtype);
  if (dtype == kFloat32)
    fill<float>(out, generator, [](const auto& b, float* v) {
      for (int k = 0; k < 4; k += 2) {
        double x, y;
        box_muller((b[k] + 1.0) * 0x1p-32, b[k + 1] * 0x1p-32, x, y);
        v[k] = static_cast<float>(x);
        v[k + 1] = static_cast<float>(y);
      }
    });
  else
    fill<double>(out, generator, [](const auto& b, double* v) {
      box_muller(unit(b[0], b[1]) + 0x1p-53, unit(b[2], b[3]), v[0], v[1]);
    });
  return out;
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape) {
  return randint(low, high, shape, default_generator());
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator) {
  if (low >= high) fail<ValueError>("randint", "got [", low, ", ", high, "), expected low < high");
  Tensor out = empty(shape, kInt64);
  const auto range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  fill<std::int64_t>(out, generator, [=](const auto& b, std::int64_t* v) {
    for (int k = 0; k < 2; ++k) {
      const std::uint64_t bits = std::uint64_t{b[2 * k]} << 32 | b[2 * k + 1];
      v[k] = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + scale(bits, range));
    }
  });
  return out;
}

Tensor randperm(std::int64_t n) { return randperm(n, default_generator()); }

Tensor randperm(std::int64_t n, Generator& generator) {  // Fisher–Yates
  if (n < 0) fail<ValueError>("randperm", "got n = ", n, ", expected 0 or more");
  Tensor out = empty({n}, kInt64);
  auto* p = kernel::data<std::int64_t>(out);
  detail::launch("randperm", {&out}, {}, [=, source = own_or_default(generator)] {
    Generator& g = source ? *source : default_generator();
    for (std::int64_t i = 0; i < n; ++i) p[i] = i;
    for (std::int64_t i = n - 1; i > 0; --i)
      std::swap(p[i], p[g.below(static_cast<std::uint64_t>(i) + 1)]);
  });
  return out;
}

Tensor bernoulli(const Shape& shape, double p, DType dtype) {
  return bernoulli(shape, p, default_generator(), dtype);
}

Tensor bernoulli(const Shape& shape, double p, Generator& generator, DType dtype) {
  if (!(p >= 0 && p <= 1))
    fail<ValueError>("bernoulli", "got p = ", p, ", expected a probability in [0, 1]");
  Tensor draw = empty(shape, kFloat32);
  fill<float>(draw, generator, [p](const auto& b, float* v) {
    for (int k = 0; k < 4; ++k) v[k] = b[k] * 0x1p-32 < p ? 1.0f : 0.0f;
  });
  return draw.to(dtype);
}

}  // namespace descent
