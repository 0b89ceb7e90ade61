// Rules and clipping with gradients so large or so small that their squares leave the range of the
// type.
#include "tests/optim/all_optimizers.h"
#include "tests/support/errors.h"

#include <gtest/gtest.h>

namespace descent {
namespace {

using namespace optim;
using testing::has_text;
using testing::message_of;

TEST(Adafactor, StaysFiniteInFloatWhereGradientsAreZeroTinyOrHuge) {
  for (const double size : {0.0, 1e-12, 1e-5, 1e20}) {
    const Tensor w = ones({3, 2}).requires_grad_();
    Optimizer o({{"w", w}}, Adafactor{});
    const Tensor g = tensor({{0.0, 0.0}, {1.0, -2.0}, {0.5, 1.0}}).to(kFloat32) * size;
    for (int t = 0; t < 5; ++t)
      o.step([&] {
        w.set_grad(g);
        return 0.0;
      });
    for (const double x : w.to_vector()) EXPECT_TRUE(std::isfinite(x)) << size;
  }
}

/// Makes one step of SGD with rate 1 from w, with the gradient g. Returns what the step subtracted
/// from w.
template <class Wrap>
std::vector<double> subtracted(const Wrap& wrap, const Tensor& w, const Tensor& g) {
  const Tensor x = w.clone().requires_grad_();
  Optimizer o = wrap(Optimizer({{"x", x}}, SGD{.lr = 1}));
  x.set_grad(g);
  o.step();
  return (w - x.detach()).to_vector();
}

TEST(Clipping, HoldsWhereTheSquaresOfGradientsOverflowOrUnderflow) {
  for (const double size : {1.0, 1e200, 1e-200}) {
    const Tensor g = tensor({3.0, -4.0}, kFloat64) * size;
    const double most = size == 1e-200 ? 1e-200 : 1;
    for (const auto& clip : {clip_norm, clip_norm_per_parameter}) {
      const auto used = subtracted([&](Optimizer o) { return clip(std::move(o), most); },
                                   zeros({2}, kFloat64), g);
      EXPECT_NEAR(used[0] / most, 0.6, 1e-15) << size;
      EXPECT_NEAR(used[1] / most, -0.8, 1e-15) << size;
    }
    const Tensor a = zeros({1}, kFloat64).requires_grad_(), b = a.clone().detach();
    b.requires_grad_();
    a.set_grad(g.slice(0, 0, 1).clone());
    b.set_grad(g.slice(0, 1).clone());
    EXPECT_NEAR(clip_grad_norm_({{"a", a}, {"b", b}}, most) / size, 5, 1e-14);
    EXPECT_NEAR(a.grad().item() / most, 0.6, 1e-15);
  }
  const Tensor huge = zeros({3}).requires_grad_();  // max_norm/norm is subnormal
  huge.set_grad(tensor({1.0, 2.0, -2.0}).to(kFloat32) * 1e38);
  clip_grad_norm_({{"huge", huge}}, 1e-6);
  EXPECT_NEAR(huge.grad()[0].item(), 1e-6 / 3, 1e-12);
}

TEST(Clipping, OfUnitsHoldsWhereTheSquaresOverflow) {
  const auto clip = [](Optimizer o) { return agc(std::move(o), {.clip = 0.1}); };
  for (const DType type : {kFloat32, kFloat64}) {
    const double huge = type == kFloat32 ? 1e25 : 1e200;
    const Tensor w = tensor({{3.0, 4.0}, {3.0, 4.0}}, type);
    const Tensor g = tensor({{-3 * huge, 4 * huge}, {0.03, 0.04}}, type);
    const auto used = subtracted(clip, w, g);
    const double expected[] = {-0.3, 0.4, 0.03, 0.04};
    // The weights have the size 4 and are rounded to their last place. Their difference therefore
    // has an error of about this size.
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(used[i], expected[i], type == kFloat32 ? 5e-7 : 1e-15) << i;
    EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { subtracted(clip, w, g / 0.0); }),
                         "the gradient of 'x'"));
  }
}

TEST(Sam, ClimbsAlsoGradientsWhoseSquaresOverflow) {
  const Tensor w = zeros({2}, kFloat64).requires_grad_();
  Optimizer o = sam({{{"w", w}}, SGD{.lr = 0}}, {.rho = 1});
  std::vector<double> at;
  o.step([&] {
    at = w.to_vector();
    w.set_grad(tensor({3e200, -4e200}, kFloat64));
    return 0.0;
  });
  EXPECT_NEAR(at[0], 0.6, 1e-15);
  EXPECT_NEAR(at[1], -0.8, 1e-15);
}

TEST(Magnitudes, OfGradientsDoNotStopARule) {
  // These steps depend only on the direction of the gradient, as long as the square of the gradient
  // is in range.
  const auto moved = [](const char* rule, double size, DType dtype) {
    const Tensor w = ones({4, 4}, dtype).requires_grad_();
    Optimizer o = make(rule, {{"w", w}});
    for (int t = 0; t < 3; ++t) {
      w.set_grad(full({4, 4}, size, dtype));
      o.step();
    }
    return 1 - w.detach().flatten()[0].item();
  };
  for (const char* rule : {"adadelta", "adafactor(lr=0.1)"}) {
    EXPECT_NEAR(moved(rule, 1e17, kFloat32), moved(rule, 1e17, kFloat64), 1e-6) << rule;
    EXPECT_NEAR(moved(rule, 1e100, kFloat64), moved(rule, 1e17, kFloat64), 1e-6) << rule;
    EXPECT_NE(moved(rule, 1e17, kFloat32), 0) << rule;
  }
}

/// How far three steps move a matrix and a vector whose gradients are near `size`.
std::vector<double> moves(const std::string& description, double size, DType dtype) {
  Generator generator(11);
  Parameters all;
  for (const Shape& shape : {Shape{4, 3}, Shape{5}})
    if (shape.rank() == 2 || description != "muon")
      all.push_back({to_text("w", all.size()), randn(shape, generator).to(dtype).requires_grad_()});
  const auto values = [&] {
    std::vector<Tensor> parts;
    for (const Parameter& p : all) parts.push_back(p.value.detach().reshape({-1}));
    return cat(parts).to(kFloat64);
  };
  const Tensor before = values();
  std::vector<Tensor> slopes;
  for (const Parameter& p : all)
    slopes.push_back((randn(p.value.shape(), generator).to(dtype) * size).detach());
  Optimizer o = make(description, all);
  for (int t = 0; t < 3; ++t)
    o.step([&] {
      Tensor loss = zeros({}, dtype);
      for (std::size_t i = 0; i < all.size(); ++i) loss = loss + sum(all[i].value * slopes[i]);
      return testing::returned(o, loss);
    });
  return (values() - before).to_vector();
}

TEST(Magnitudes, ARuleWorksOnFloatsAsOnDoubles) {
  // These keep squares of gradients, as floats; see "How large a gradient may be" in the README.
  const auto squares = [](const std::string& name) {
    for (const char* rule :
         {"adagrad", "rmsprop", "adadelta", "adan", "adopt", "soap", "adafactor", "shampoo"})
      if (name.starts_with(rule)) return true;
    return name == "other_wrappers";  // around rmsprop
  };
  for (const auto& [name, description] : testing::all_optimizers())
    for (const double size : {1e20, 1e-25}) {
      // The losses of the line search overflow, not its norms.
      if (testing::searches(description) && size > 1) continue;
      if (size > 1 && squares(name)) {
        try {
          for (const double x : moves(description, size, kFloat32))
            EXPECT_TRUE(std::isfinite(x)) << name << " at " << size;
        } catch (const NonFiniteError& e) {
          EXPECT_TRUE(has_text(e.what(), "too large for float32"));
        }
        continue;
      }
      const std::vector<double> found = moves(description, size, kFloat32),
                                exact = moves(description, size, kFloat64);
      double most = 0;
      for (const double x : exact) most = std::max(most, std::fabs(x));
      // A fit goes on until the residual, a sum of products, is no more than its rounding errors.
      const double off = testing::small(description).takes_residuals() ? 1e-4 : 1e-5;
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], exact[i], off * most + 5e-7) << name << " at " << size;
    }
}

TEST(Magnitudes, OneHugeGradientDoesNotStopARuleForEver) {
  for (const char* rule : {"adam", "adamw", "amsgrad", "rmsprop", "adagrad", "nadam", "lamb"}) {
    const auto w = ones({3}).requires_grad_();
    Optimizer o = make(rule, {{"w", w}});
    const auto step = [&](double g) {
      w.set_grad(full({3}, g));
      o.step();
    };
    step(1);
    const std::vector<double> before = w.to_vector();
    const State state = o.state_dict();
    EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { step(1e22); }),
                         "] got a gradient of 'w' too large for float32: its '"))
        << rule;
    EXPECT_EQ(w.to_vector(), before) << rule;
    const State after = o.state_dict();
    for (const auto& [name, t] : state)
      EXPECT_EQ(t.to_vector(), after.at(name).to_vector()) << rule << " " << name;
    step(1);
    EXPECT_NE(w.to_vector(), before) << rule;
    o.set_non_finite(NonFinite::skip);
    const std::vector<double> again = w.to_vector();
    step(1e22);
    EXPECT_EQ(w.to_vector(), again) << rule;
    EXPECT_EQ(o.skipped_steps(), 1) << rule;
    EXPECT_EQ(o.steps(), 3) << rule;
  }
  // A rule without squares may use it.
  const auto w = ones({3}).requires_grad_();
  Optimizer sgd = make("sgd(lr=1e-22, momentum=0.9)", {{"w", w}});
  w.set_grad(full({3}, 1e22));
  sgd.step();
  EXPECT_NEAR(w.to_vector()[0], 0, 1e-6);
}

TEST(Magnitudes, ClippingKeepsARuleInRange) {
  for (const char* clip : {"clip_norm", "clip_norm_per_parameter", "clip_value", "agc"})
    for (const char* rule : {"adagrad", "rmsprop", "adadelta", "adan", "adamw", "adafactor"}) {
      const std::string description =
          to_text(clip, "(", rule, std::string_view(clip) == "agc" ? ")" : ", 1)");
      const std::vector<double> found = moves(description, 1e30, kFloat32),
                                exact = moves(description, 1e30, kFloat64);
      double most = 0;
      for (const double x : exact) most = std::max(most, std::fabs(x));
      EXPECT_GT(most, 0) << description;
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], exact[i], 1e-4 * most + 5e-7) << description;
    }
}

}  // namespace
}  // namespace descent
