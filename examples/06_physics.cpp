// Physics-informed networks: a network that solves a differential equation, with no data at all.
//
//   06_physics                             Poisson's equation by self-scaled Broyden, the lesson
//   06_physics burgers ssbroyden 120       a problem, an optimizer and how many seconds it has
//   06_physics pictures FOLDER 60          every problem by Adam, L-BFGS and SSBroyden, as pictures
//
// The network's output is put into the equation, and the optimizer makes what is left small at some
// thousand points. Its derivatives by x and t are carried through the layers beside its values: a
// Jet holds both, and the rules of calculus are the operators of Jet. The boundary conditions are
// built into the solution, so that the equation is all there is to learn.
#include <descent/descent.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

using namespace descent;

constexpr double kPi = std::numbers::pi;

// ---- functions with their derivatives ----

/// A function of (x, t) at N points, with its derivatives. An undefined derivative is 0.
struct Jet {
  Tensor f, x, t, xx, tt;
};

Tensor plus(const Tensor& a, const Tensor& b) {
  return a.defined() && b.defined() ? a + b : a.defined() ? a : b;
}
Tensor times(const Tensor& a, const Tensor& b) {
  return a.defined() && b.defined() ? a * b : Tensor();
}
Tensor twice(const Tensor& a) { return a.defined() ? a * 2 : a; }

Jet operator+(const Jet& a, const Jet& b) {
  return {a.f + b.f, plus(a.x, b.x), plus(a.t, b.t), plus(a.xx, b.xx), plus(a.tt, b.tt)};
}
Jet operator*(const Jet& a, const Jet& b) {
  const auto first = [&](Tensor Jet::*d) { return plus(times(a.*d, b.f), times(a.f, b.*d)); };
  const auto second = [&](Tensor Jet::*d, Tensor Jet::*dd) {
    return plus(first(dd), twice(times(a.*d, b.*d)));
  };
  return {a.f * b.f, first(&Jet::x), first(&Jet::t), second(&Jet::x, &Jet::xx),
          second(&Jet::t, &Jet::tt)};
}
/// g(a), from g, g′ and g″ at a.
Jet chain(const Jet& a, const Tensor& g, const Tensor& d, const Tensor& dd) {
  const auto second = [&](const Tensor& one, const Tensor& two) {
    return plus(times(d, two), times(dd, times(one, one)));
  };
  return {g, times(d, a.x), times(d, a.t), second(a.x, a.xx), second(a.t, a.tt)};
}
Jet tanh(const Jet& a) {
  const Tensor h = tanh(a.f), d = 1 - square(h);
  return chain(a, h, d, d * h * -2);
}
Jet sin_pi(const Jet& a) {
  const Tensor s = sin(a.f * kPi), c = cos(a.f * kPi);
  return chain(a, s, c * kPi, s * (-kPi * kPi));
}
Jet cos_pi(const Jet& a) {
  const Tensor s = sin(a.f * kPi), c = cos(a.f * kPi);
  return chain(a, c, s * -kPi, c * (-kPi * kPi));
}
Jet one_minus_square(const Jet& a) {
  return chain(a, 1 - square(a.f), a.f * -2, full_like(a.f, -2));
}
/// Several columns as one.
Jet columns(const std::vector<Jet>& parts) {
  const auto join = [&](Tensor Jet::*d) {
    std::vector<Tensor> all;
    for (const Jet& part : parts) all.push_back((part.*d).defined() ? part.*d : zeros_like(part.f));
    return cat(all, 1);
  };
  return {join(&Jet::f), join(&Jet::x), join(&Jet::t), join(&Jet::xx), join(&Jet::tt)};
}

/// A multi-layer perceptron with tanh between its layers, of Jets. `time_twice`: with ∂²/∂t².
Jet network(const Parameters& weights, Jet a, bool time_twice) {
  for (std::size_t i = 0; i < weights.size(); i += 2) {
    const Tensor &w = weights[i].value, &b = weights[i + 1].value, turned = w.t();
    a = {linear(a.f, w, b), matmul(a.x, turned), matmul(a.t, turned), matmul(a.xx, turned),
         time_twice ? matmul(a.tt, turned) : Tensor()};
    if (i + 2 < weights.size()) a = tanh(a);
  }
  return a;
}

// ---- problems ----

/// An equation on x in [−1, 1] and t in [from, 1].
struct Problem {
  const char* name;
  double from;
  std::int64_t inputs;
  bool time_twice;
  std::function<Jet(const Jet& x, const Jet& t)> features;  // what the network reads
  /// The solution that satisfies the boundary conditions, whatever the network gives.
  std::function<Jet(const Jet& x, const Jet& t, const Jet& net)> solution;
  std::function<Tensor(const Jet& x, const Jet& t, const Jet& u)> residual;
  std::function<Tensor(std::int64_t side)> exact;  // on a grid of side × side, x fastest
};

/// −u_xx − u_tt = 2π² sin(πx) sin(πt) on a square, u = 0 on its boundary.
Problem poisson() {
  return {"poisson",
          -1,
          2,
          true,
          [](const Jet& x, const Jet& t) {
            return columns({x, t});
          },
          [](const Jet& x, const Jet& t, const Jet& net) {
            return one_minus_square(x) * one_minus_square(t) * net;
          },
          [](const Jet& x, const Jet& t, const Jet& u) {
            return (u.xx + u.tt) / (2 * kPi * kPi) + sin(x.f * kPi) * sin(t.f * kPi);
          },
          [](std::int64_t side) {
            const Tensor s = sin(linspace(-1, 1, side, kFloat64) * kPi);
            return s.unsqueeze(1) * s.unsqueeze(0);
          }};
}

/// u_t + u·u_x = (0.01/π)·u_xx, u = −sin(πx) at t = 0, u = 0 at x = ±1. A front forms at x = 0.
Problem burgers() {
  constexpr double nu = 0.01 / kPi;
  return {"burgers",
          0,
          2,
          false,
          [](const Jet& x, const Jet& t) {
            return columns({x, t});
          },
          [](const Jet& x, const Jet& t, const Jet& net) {
            const Jet start = sin_pi(x);
            return t * one_minus_square(x) * net + Jet{-start.f, -start.x, {}, -start.xx, {}};
          },
          [](const Jet&, const Jet&, const Jet& u) { return u.t + u.f * u.x - u.xx * nu; },
          [](std::int64_t side) {  // Cole & Hopf: integrals over all starts of a heat equation
            std::vector<double> u;
            for (std::int64_t i = 0; i < side; ++i)
              for (std::int64_t j = 0; j < side; ++j) {
                const double t = static_cast<double>(i) / static_cast<double>(side - 1),
                             x = 2.0 * static_cast<double>(j) / static_cast<double>(side - 1) - 1;
                double above = 0, below = 0;
                for (int k = -1200; k <= 1200; ++k) {
                  const double e = k * 0.01, z = x - std::sqrt(4 * nu * t) * e;
                  const double weight = std::exp((1 - std::cos(kPi * z)) / (2 * kPi * nu) -
                                                 2 / (2 * kPi * nu) - e * e);
                  above -= std::sin(kPi * z) * weight;
                  below += weight;
                }
                u.push_back(above / below);
              }
            return tensor(u, {side, side});
          }};
}

/// u_t = 0.0001·u_xx − 5u³ + 5u, u = x²cos(πx) at t = 0, periodic in x. The start has a kink at
/// x = ±1, which the true solution rounds off and this one keeps.
Problem allen_cahn() {
  return {"allen_cahn",
          0,
          3,
          false,
          [](const Jet& x, const Jet& t) {
            return columns({cos_pi(x), sin_pi(x), t});
          },
          [](const Jet& x, const Jet& t, const Jet& net) { return x * x * cos_pi(x) + t * net; },
          [](const Jet&, const Jet&, const Jet& u) {
            return u.t - u.xx * 1e-4 + (square(u.f) - 1) * u.f * 5;
          },
          [](std::int64_t side) {  // differences of fourth order in x, Runge & Kutta in t
            constexpr int kPoints = 4000, kSteps = 2000;
            constexpr double h = 2.0 / kPoints, dt = 1.0 / kSteps;
            std::vector<double> u(kPoints), all;
            for (int j = 0; j < kPoints; ++j) {
              const double x = -1 + j * h;
              u[static_cast<std::size_t>(j)] = x * x * std::cos(kPi * x);
            }
            const auto slope = [](const std::vector<double>& v) {
              std::vector<double> k(kPoints);
              const auto at = [&](int j) {
                return v[static_cast<std::size_t>((j + kPoints) % kPoints)];
              };
              for (int j = 0; j < kPoints; ++j) {
                const double bend =
                    16 * (at(j - 1) + at(j + 1)) - at(j - 2) - at(j + 2) - 30 * at(j);
                k[static_cast<std::size_t>(j)] =
                    1e-4 / (12 * h * h) * bend + 5 * at(j) * (1 - at(j) * at(j));
              }
              return k;
            };
            const auto moved = [](std::vector<double> v, const std::vector<double>& k, double by) {
              for (std::size_t j = 0; j < v.size(); ++j) v[j] += by * k[j];
              return v;
            };
            for (int step = 0; step <= kSteps; ++step) {
              if (step % (kSteps / static_cast<int>(side - 1)) == 0)
                for (std::int64_t j = 0; j < side; ++j)
                  all.push_back(u[static_cast<std::size_t>(j * kPoints / (side - 1) % kPoints)]);
              const auto a = slope(u), b = slope(moved(u, a, dt / 2)),
                         c = slope(moved(u, b, dt / 2)), d = slope(moved(u, c, dt));
              u = moved(moved(moved(moved(u, a, dt / 6), b, dt / 3), c, dt / 3), d, dt / 6);
            }
            return tensor(all, {side, side});
          }};
}

// ---- training ----

/// A network on its way to the solution of a problem.
class Solver {
 public:
  Solver(const Problem& problem, std::int64_t points, const std::string& optimizer)
      : problem_(problem),
        net_(made(problem)),
        weights_(net_.parameters()),
        optimizer_(optim::make(optimizer, weights_)),
        exact_(problem.exact(kSide)),
        most_(points),
        points_(sample(points / 4)),
        unseen_(sample(2 * points)) {
    keep_best();
  }

  /// A step of the optimizer, after which some points are added, or drawn anew once there are
  /// enough. The loss is the logarithm of the mean square of what is left of the equation: a
  /// quasi-Newton method then sees a fall from 1e-8 to 1e-9 as large as one from 1 to 0.1.
  void step() {
    optimizer_.step([this] {
      const Tensor loss = log(mean(square(residual(points_))));
      loss.backward();
      return loss;
    });
    const std::int64_t fresh = most_ / 60, n = points_.size(0);
    points_ = cat({points_.slice(0, n < most_ ? 0 : fresh), sample(fresh)});
    keep_best();
  }
  /// The solution with the best weights, on a grid of 101 × 101 points.
  Tensor field() const {
    const NoGradGuard no_grad;
    const Tensor x = linspace(-1, 1, kSide, kFloat64),
                 t = linspace(problem_.from, 1, kSide, kFloat64);
    const Tensor grid = stack({x.unsqueeze(0).expand({kSide, kSide}).reshape({-1}),
                               t.unsqueeze(1).expand({kSide, kSide}).reshape({-1})},
                              1);
    return solution(best_, grid).f.reshape({kSide, kSide}).clone();
  }
  const Tensor& exact() const { return exact_; }
  /// ‖u − exact‖/‖exact‖ on the grid.
  double error() const { return norm(field() - exact_).item() / norm(exact_).item(); }
  std::int64_t evaluations() const { return optimizer_.gradient_evaluations(); }

 private:
  static constexpr std::int64_t kSide = 101;

  static nn::Sequential made(const Problem& problem) {
    manual_seed(1);
    nn::Sequential net(nn::Linear(problem.inputs, 20), nn::Tanh(), nn::Linear(20, 20), nn::Tanh(),
                       nn::Linear(20, 20), nn::Tanh(), nn::Linear(20, 1));
    net.to(kFloat64);
    const NoGradGuard no_grad;
    for (const Parameter& p : net.parameters())
      p.value.dim() == 2 ? nn::init::xavier_uniform_(p.value) : p.value.zero_();
    return net;
  }
  static std::pair<Jet, Jet> coordinates(const Tensor& points) {
    const Tensor one = ones({points.size(0), 1}, kFloat64);
    return {{points.slice(1, 0, 1), one, {}, {}, {}}, {points.slice(1, 1, 2), {}, one, {}, {}}};
  }
  Jet solution(const Parameters& weights, const Tensor& points) const {
    const auto [x, t] = coordinates(points);
    return problem_.solution(x, t, network(weights, problem_.features(x, t), problem_.time_twice));
  }
  Tensor residual(const Tensor& points) const {
    const auto [x, t] = coordinates(points);
    return problem_.residual(x, t, solution(weights_, points));
  }
  /// Keeps the weights if they leave less of the equation, at points that are not trained on, than
  /// any before: a fresh point in a bad place can throw the network back for some steps.
  void keep_best() {
    const NoGradGuard no_grad;
    const double rest = mean(square(residual(unseen_))).item();
    if (!(rest < least_)) return;
    least_ = rest;
    best_.clear();
    for (const Parameter& p : weights_) best_.push_back({p.name, p.value.detach().clone()});
  }
  /// Points where the equation is violated most are drawn most often: in proportion to the residual
  /// over its mean, plus 1. Source: Wu et al. 2023, arXiv:2207.10289.
  Tensor sample(std::int64_t n) {
    const NoGradGuard no_grad;
    const Tensor unit = rand({8 * n, 2}, generator_, kFloat64);
    const Tensor low = tensor({-1.0, problem_.from}, kFloat64), drawn = low + unit * (1 - low);
    const Tensor r = abs(residual(drawn)).reshape({-1});
    std::vector<double> sums = (r / mean(r) + 1).to_vector();
    for (std::size_t i = 1; i < sums.size(); ++i) sums[i] += sums[i - 1];
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = 0; i < n; ++i)
      chosen.push_back(
          std::upper_bound(sums.begin(), sums.end(), generator_.uniform() * sums.back()) -
          sums.begin());
    return index_select(drawn, 0, tensor(chosen));
  }

  Problem problem_;
  nn::Sequential net_;
  Parameters weights_;
  optim::Optimizer optimizer_;
  Tensor exact_;
  Generator generator_{7};
  std::int64_t most_;  // of the points
  Tensor points_, unseen_;
  Parameters best_;
  double least_ = INFINITY;
};

// ---- runs, tables and pictures ----

const std::vector<Problem>& problems() {
  static const std::vector<Problem> all{poisson(), burgers(), allen_cahn()};
  return all;
}
/// The optimizers by their short names. A step of the others goes along 50 lines.
const std::vector<std::pair<std::string, std::string>>& optimizers() {
  static const std::string lines =
      "(max_iter=50, max_eval=500, tolerance_grad=0, tolerance_change=0)";
  static const std::vector<std::pair<std::string, std::string>> all{
      {"adam", "adam(lr=joined(2000: 0.003, 1: 0.0005))"},
      {"lbfgs", "lbfgs" + lines},
      {"ssbroyden", "ssbroyden" + lines}};
  return all;
}

struct Moment {
  double seconds, error;
};

/// Trains for some seconds and prints the error now and then.
std::vector<Moment> race(Solver& solver, bool adam, double seconds) {
  std::vector<Moment> all;
  const auto start = std::chrono::steady_clock::now();
  double spent = 0, next = 0;
  while (spent < seconds) {
    for (int i = 0; i < (adam ? 60 : 1); ++i) solver.step();
    spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (spent < next && spent < seconds) continue;
    all.push_back({spent, solver.error()});
    next = spent + seconds / 60;
  }
  return all;
}

/// A positive number with three digits: "4.21e-3".
std::string rounded(double x) {
  if (!(x > 0)) return to_text(x);
  const int power = static_cast<int>(std::floor(std::log10(x)));
  return to_text(std::round(x * std::pow(10, 2 - power)) / 100,
                 power == 0 ? "" : to_text("e", power));
}

/// The solutions of a problem as colours, and the errors against the time, as one picture.
std::string picture(const Problem& problem, const Tensor& field, const Tensor& exact,
                    const std::vector<std::vector<Moment>>& runs, double seconds) {
  constexpr int kSide = 303, kWide = 420;
  const char* colours[] = {"#888888", "#1f77b4", "#d62728"};
  std::string s = to_text(
      "<svg xmlns='http://www.w3.org/2000/svg' width='1140' height='400' "
      "font-family='sans-serif' font-size='13'>\n"
      "<rect width='1140' height='400' fill='white'/>\n");
  const auto text = [&](double x, double y, const std::string& words, const char* more = "") {
    s += to_text("<text x='", x, "' y='", y, "' ", more, ">", words, "</text>\n");
  };
  const auto map = [&](double left, const Tensor& values, const std::string& title) {
    const double most = max(abs(values)).item();
    const std::vector<double> v = values.to_vector();
    const auto side = values.size(0);
    text(left, 40, title);
    for (std::int64_t i = 0; i < side; ++i)
      for (std::int64_t j = 0; j < side; ++j) {
        const double z = v[static_cast<std::size_t>(i * side + j)] / most;
        const int fade = static_cast<int>(255 * (1 - std::fabs(z)));
        const auto hex = [](int part) {
          const char* digits = "0123456789abcdef";
          return std::string{digits[part / 16], digits[part % 16]};
        };
        const std::string colour =
            "#" + hex(z < 0 ? fade : 255) + hex(fade) + hex(z < 0 ? 255 : fade);
        s += to_text("<rect x='", left + 3 * static_cast<double>(j), "' y='",
                     50 + 3 * static_cast<double>(side - 1 - i),
                     "' width='3.1' height='3.1' fill='", colour, "'/>\n");
      }
    text(left, 50 + kSide + 18, "x from −1 to 1, t upwards; largest " + rounded(most));
  };
  map(20, field, to_text(problem.name, ": the solution found"));
  map(345, field - exact, "what is wrong with it");
  constexpr double left = 700, top = 50, tall = 300;
  const auto y_of = [&](double e) { return top + tall * std::clamp(-std::log10(e) / 8, 0.0, 1.0); };
  for (int power = 0; power <= 8; power += 2) {
    const double y = y_of(std::pow(10, -power));
    s += to_text("<line x1='", left, "' x2='", left + kWide, "' y1='", y, "' y2='", y,
                 "' stroke='#dddddd'/>\n");
    text(left - 8, y + 4, to_text("1e-", power), "text-anchor='end'");
  }
  text(left, 40, "relative L2 error against seconds");
  text(left + kWide, top + tall + 18, to_text(seconds, " s"), "text-anchor='end'");
  for (std::size_t k = 0; k < runs.size(); ++k) {
    s += to_text("<polyline fill='none' stroke-width='2' stroke='", colours[k], "' points='");
    for (const auto& [t, error] : runs[k])
      s += to_text(left + kWide * std::min(t / seconds, 1.0), ",", y_of(error), " ");
    s += "'/>\n";
    text(left + 20 + 130 * static_cast<double>(k), top + tall + 40, optimizers()[k].first,
         to_text("fill='", colours[k], "'").c_str());
  }
  return s + "</svg>\n";
}

std::int64_t points_of(const Problem& problem) {
  return std::string(problem.name) == "poisson" ? 1000 : 4000;
}

/// Every problem by every optimizer, each for some seconds.
int pictures(const std::string& folder, double seconds) {
  std::printf("| problem | adam | lbfgs | ssbroyden |\n|---|---|---|---|\n");
  for (const Problem& problem : problems()) {
    std::vector<std::vector<Moment>> runs;
    Tensor field, exact;
    for (const auto& [name, description] : optimizers()) {
      Solver solver(problem, points_of(problem), description);
      runs.push_back(race(solver, name == "adam", seconds));
      field = solver.field();
      exact = solver.exact();
    }
    std::printf("| %s |", problem.name);
    for (const auto& run : runs) std::printf(" %.1e |", run.back().error);
    std::printf("\n");
    std::fflush(stdout);
    const std::string path = folder + "/" + problem.name + ".svg";
    std::ofstream out(path);
    out << picture(problem, field, exact, runs, seconds);
    if (!out.flush()) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 1;
    }
  }
  return 0;
}

/// One run, whose error is printed as it falls.
int one_run(const std::string& name, const std::string& by, double seconds) {
  for (const Problem& problem : problems()) {
    if (problem.name != name) continue;
    for (const auto& [optimizer, description] : optimizers()) {
      if (optimizer != by) continue;
      Solver solver(problem, points_of(problem), description);
      for (const auto& [t, error] : race(solver, by == "adam", seconds))
        std::printf("%7.1f s  relative L2 error %.2e\n", t, error);
      std::printf("%lld evaluations\n", static_cast<long long>(solver.evaluations()));
      return 0;
    }
  }
  std::fprintf(stderr,
               "got %s by %s, expected poisson, burgers or allen_cahn by adam, lbfgs or "
               "ssbroyden\n",
               name.c_str(), by.c_str());
  return 2;
}

/// The lesson: Poisson's equation to 1e-5, which takes some seconds.
int lesson() {
  Solver solver(poisson(), 500, optimizers().back().second);
  for (int step = 1; step <= 100; ++step) {
    solver.step();
    if (step % 5 != 0) continue;
    const double error = solver.error();
    std::printf("%5lld evaluations  relative L2 error %.2e\n",
                static_cast<long long>(solver.evaluations()), error);
    if (error <= 1e-5) {
      std::printf("The solution has five digits.\n");
      return 0;
    }
  }
  std::printf("expected an error of at most 1e-5\n");
  return 1;
}

int main(int count, char** words) {
  const auto seconds = [&] { return count > 3 ? parse_number(words[3]).value_or(60) : 60; };
  if (count < 2) return lesson();
  if (count > 2 && std::string(words[1]) == "pictures") return pictures(words[2], seconds());
  return one_run(words[1], count > 2 ? words[2] : "ssbroyden", seconds());
}
