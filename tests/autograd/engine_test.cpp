#include "tests/support/errors.h"

#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/descent.h>
#include <pthread.h>
#include <thread>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;

Tensor leaf(double x) { return full({}, x, kFloat64).requires_grad_(); }

TEST(Backward, AccumulatesIntoLeaves) {
  const Tensor x = leaf(3);
  (x * x).backward();
  EXPECT_EQ(x.grad().item(), 6);
  (x * 2).backward();
  EXPECT_EQ(x.grad().item(), 8);
  x.zero_grad();
  EXPECT_FALSE(x.grad().defined());
}

TEST(Backward, AddsUpEveryPath) {
  const Tensor x = leaf(2);
  const Tensor a = x * x, b = a + x, c = a * b;  // c = x⁴ + x³
  c.backward();
  EXPECT_EQ(x.grad().item(), 4 * 8 + 3 * 4);
}

TEST(Backward, DoesNotLetGradientsShareMemory) {
  const Tensor x = tensor({1.0, 2.0}).requires_grad_(), y = tensor({3.0, 4.0}).requires_grad_();
  sum(x + y).backward();
  const NoGradGuard guard;
  x.grad().mul_(100);
  EXPECT_EQ(y.grad().to_vector(), (Doubles{1, 1}));
}

TEST(Backward, LeavesAGradientThatWasReadAlone) {
  const Tensor x = leaf(1);
  (x * 2).backward();
  const Tensor kept = x.grad();
  (x * 3).backward();
  EXPECT_EQ(kept.item(), 2);
  EXPECT_EQ(x.grad().item(), 5);
}

TEST(Backward, IsRefusedASecondTimeUnlessRetained) {
  const Tensor x = leaf(2), y = exp(x) * x;
  y.backward({}, {.retain_graph = true});
  y.backward();
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { y.backward(); }),
                       "[backward] got a graph that was freed at 'mul'"));
}

TEST(Backward, WantsAScalarOrAGradient) {
  const Tensor x = ones({2}).requires_grad_(), y = x * 3;
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { y.backward(); }),
                       "got an output of shape (2,), expected one element"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { y.backward(ones({3})); }),
                       "got a gradient of shape (3,) for an output of shape (2,)"));
  y.backward(tensor({1.0, 10.0}));
  EXPECT_EQ(x.grad().to_vector(), (Doubles{3, 30}));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { ones({}).backward(); }),
                       "got a tensor without a history"));
}

TEST(Backward, ConvertsGradientsToTheLeafsType) {
  const Tensor x = ones({2}).requires_grad_(), y = ones({2}, kFloat64).requires_grad_();
  sum(x * y).backward();
  EXPECT_EQ(x.grad().dtype(), kFloat32);
  EXPECT_EQ(y.grad().dtype(), kFloat64);
}

TEST(HigherOrder, DerivativesOfAPowerAreExact) {
  const Tensor x = leaf(2);
  Tensor y = x * x * x * x;  // 16, 32, 48, 48, 24, 0
  for (const double expected : {32.0, 48.0, 48.0, 24.0}) {
    y = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_EQ(y.item(), expected);
  }
}

TEST(HigherOrder, BackwardWithCreateGraphGivesADifferentiableGradient) {
  const Tensor x = leaf(3);
  (x * x * x).backward({}, {.create_graph = true});
  EXPECT_EQ(x.grad().item(), 27);
  EXPECT_TRUE(x.grad().requires_grad());
  EXPECT_EQ(grad({x.grad()}, {x})[0].item(), 18);
}

TEST(Grad, LeavesLeavesAloneAndReportsUnused) {
  const Tensor x = leaf(2), z = leaf(5), y = x * x;
  EXPECT_EQ(grad({y}, {x}, {}, {.retain_graph = true})[0].item(), 4);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(has_text(message_of<GraphError>([&] {
                         grad({y}, {x, z}, {}, {.retain_graph = true});
                       }),
                       "[grad] got input 1 of shape () that the outputs do not depend on"));
  EXPECT_FALSE(grad({y}, {x, z}, {}, {.allow_unused = true})[1].defined());
}

TEST(Grad, ReachesTensorsInTheMiddle) {
  const Tensor x = leaf(2), h = x * 3, y = h * h;
  EXPECT_EQ(grad({y}, {h})[0].item(), 12);
}

TEST(Grad, ReachesWhatLiesBelowAnotherTensorThatIsAskedFor) {
  const Tensor x = tensor({2.0}, kFloat64).requires_grad_(), y = x * 3, z = square(y),
               other = z * x;
  const std::vector<Tensor> g = grad({other.sum()}, {z, y, x}, {}, {.retain_graph = true});
  EXPECT_EQ(g[0].item(), 2);
  EXPECT_EQ(g[1].item(), 24);
  EXPECT_EQ(g[2].item(), 108);
  const std::vector<Tensor> below = grad({z.sum()}, {y, x});  // x lies below y alone
  EXPECT_EQ(below[0].item(), 12);
  EXPECT_EQ(below[1].item(), 36);
}

TEST(GradMode, RecordsNothingInsideAGuardAlsoAfterAnException) {
  const Tensor x = leaf(1);
  try {
    const NoGradGuard guard;
    EXPECT_FALSE((x * 2).requires_grad());
    {
      const EnableGradGuard enable;
      EXPECT_TRUE((x * 2).requires_grad());
    }
    throw 1;
  } catch (int) {
  }
  EXPECT_TRUE((x * 2).requires_grad());
  bool other = false;
  const NoGradGuard guard;
  std::thread([&] { other = (x * 2).requires_grad(); }).join();
  EXPECT_TRUE(other) << "the mode belongs to a thread";
}

TEST(Leaves, HaveRules) {
  const Tensor x = leaf(1), y = x * 2;
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(y.is_leaf());
  EXPECT_EQ(y.grad_fn(), "mul");
  EXPECT_FALSE(y.detach().requires_grad());
  EXPECT_TRUE(y.detach().shares_storage(y));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { y.requires_grad_(); }),
                       "got the result of 'mul', expected a leaf"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([] { arange(3).requires_grad_(); }),
                       "[requires_grad_] got dtype int64"));
}

TEST(Hooks, SeeAndReplaceTheCompleteGradient) {
  const Tensor x = leaf(2);
  const Tensor h = x * 3;
  double seen = 0;
  h.register_hook([&](const Tensor& g) {
    seen = g.item();
    return g * 10;
  });
  h.retain_grad();
  (h * h + h).backward();
  EXPECT_EQ(seen, 13);
  EXPECT_EQ(h.grad().item(), 130);
  EXPECT_EQ(x.grad().item(), 390);
  const Tensor z = leaf(1);
  z.register_hook([](const Tensor&) { return Tensor(); });
  (z * 4).backward();
  EXPECT_EQ(z.grad().item(), 4);
}

TEST(InPlace, ChangingWhatBackwardNeedsIsAnErrorNamingTheOperator) {
  const Tensor x = ones({2}).requires_grad_(), h = x * 2, y = exp(h);
  const Tensor z = sum(square(h));
  h.add_(1);
  EXPECT_TRUE(has_text(
      message_of<GraphError>([&] { z.backward(); }),
      "[square] needs a tensor of shape (2,) at version 0 for its gradient, got version 1"));
  const Tensor w = sum(y);
  y.mul_(2);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { w.backward(); }), "[exp] needs"));
}

TEST(InPlace, IsDifferentiatedWhereItIsSafe) {
  const Tensor x = tensor({1.0, 2.0}).requires_grad_();
  const Tensor h = x * 3;
  h.mul_(2);
  h.add_(x);
  sum(h * h).backward();  // h = 7x
  EXPECT_EQ(x.grad().to_vector(), (Doubles{98, 196}));
}

TEST(InPlace, OnALeafOrAViewIsRefusedWhileRecording) {
  const Tensor x = ones({2, 2}).requires_grad_();
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { x.add_(1); }),
                       "[add_] got a leaf that requires a gradient"));
  const Tensor h = x * 2;
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { h[0].mul_(3); }), "[mul_] got a view"));
  const Tensor row = h[0];
  h.mul_(2);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { row * 2; }),
                       "got a view whose base was changed in place"));
  const NoGradGuard guard;
  x.add_(1);
  EXPECT_EQ(x[0][0].item(), 2);
}

struct Cube : Function<Cube> {
  static constexpr const char* name = "cube";
  static Tensor forward(FunctionContext& ctx, const Tensor& x, double scale) {
    ctx.save(x);
    return x * x * x * scale;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
    return {g * square(ctx.saved(0)) * 6};
  }
};
struct Cut : Function<Cut> {
  static Tensor forward(FunctionContext& ctx, const Tensor& x) {
    ctx.save(exp(x));
    return exp(x);
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
    return {g * ctx.saved(0)};
  }
};
struct InNumbers : Function<InNumbers> {
  static Tensor forward(FunctionContext& ctx, const Tensor& x) {
    ctx.save(x);
    return exp(x);
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
    std::vector<double> v = g.to_vector();
    for (std::size_t i = 0; i < v.size(); ++i) v[i] *= std::exp(ctx.saved(0).to_vector()[i]);
    return {tensor(v, g.shape()).to(g.dtype())};
  }
};
struct HalfInNumbers : Function<HalfInNumbers> {
  static Tensor forward(FunctionContext& ctx, const Tensor& x) {
    ctx.save(x);
    return square(x) / 2;
  }
  static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
    return {ctx.saved(0) * g.item()};
  }
};
struct Wrong : Function<Wrong> {
  static Tensor forward(FunctionContext&, const Tensor& a, const Tensor& b) { return a + b; }
  static std::vector<Tensor> backward(FunctionContext&, const Tensor& g) { return {g}; }
};

TEST(Functions, OfTheUserDifferentiateToAnyOrder) {
  const Tensor x = tensor({1.0, -2.0}, kFloat64).requires_grad_();
  const auto f = [](const std::vector<Tensor>& in) { return Cube::apply(in[0], 2.0); };
  EXPECT_TRUE(gradcheck(f, {x})) << gradcheck(f, {x}).message;
  EXPECT_TRUE(gradgradcheck(f, {x})) << gradgradcheck(f, {x}).message;
  EXPECT_EQ(Cube::apply(x, 2.0).grad_fn(), "cube");
}

TEST(Functions, SayWhenASecondDerivativeWouldBeLost) {
  const Tensor x = leaf(1);
  EXPECT_NEAR(grad({Cut::apply(x)}, {x})[0].item(), std::exp(1), 1e-15);
  EXPECT_TRUE(has_text(
      message_of<GraphError>([&] { grad({Cut::apply(x)}, {x}, {}, {.create_graph = true}); }),
      "saved tensor 0 is not an argument"));
  const auto numbers = [](const Tensor& at) { return InNumbers::apply(at); };
  EXPECT_NEAR(grad({numbers(x)}, {x})[0].item(), std::exp(1), 1e-15);
  for (const auto& derivative : std::vector<std::function<void()>>{
           [&] { jvp(numbers, x.detach(), ones_like(x)); }, [&] { jacfwd(numbers, x.detach()); },
           [&] { hessian([&](const Tensor& at) { return square(numbers(at)); }, x.detach()); },
           [&] { hessian([&](const Tensor& at) { return sum(numbers(at)); }, x.detach()); },
           [&] {
             jvp([](const Tensor& at) { return HalfInNumbers::apply(at); }, x.detach(), x.detach());
           }})
    EXPECT_TRUE(has_text(message_of<GraphError>(derivative),
                         "backward gave a gradient of argument 0 counted from 0 that does not"));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { Wrong::apply(x, x).backward(); }),
                       "backward gave 1 gradients, expected 2"));
}

TEST(Gradcheck, FindsAWrongRule) {
  struct Bad : Function<Bad> {
    static Tensor forward(FunctionContext& ctx, const Tensor& x) {
      ctx.save(x);
      return sin(x);
    }
    static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
      return {g * cos(ctx.saved(0)) * 1.001};
    }
  };
  const Tensor x = tensor({0.3, 0.7}, kFloat64).requires_grad_();
  const GradcheckResult r =
      gradcheck([](const std::vector<Tensor>& in) { return Bad::apply(in[0]); }, {x});
  EXPECT_FALSE(r);
  EXPECT_TRUE(has_text(r.message, "[gradcheck] input 0 of shape (2,), element 0"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([] {
                         gradcheck([](const auto& in) { return in[0]; },
                                   {ones({1}).requires_grad_()});
                       }),
                       "expected float64"));
}

TEST(Anomaly, NamesTheOperatorThatMadeTheNaN) {
  const AnomalyGuard guard;
  const Tensor x = tensor({-1.0, 4.0}, kFloat64).requires_grad_();
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { sqrt(x); }),
                       "[sqrt] made a NaN in its value of shape (2,) at element 0"));
  const Tensor zero = zeros({1}, kFloat64).requires_grad_();
  EXPECT_TRUE(has_text(message_of<NonFiniteError>([&] { sum(sqrt(zero) * 0).backward(); }),
                       "in the gradient of 'sqrt'"));
}

TEST(Graphviz, DrawsTheGraph) {
  const Tensor x = ones({2}).requires_grad_();
  const std::string s = to_graphviz(sum(x * x));
  EXPECT_TRUE(has_text(s, "label = \"sum ()\""));
  EXPECT_TRUE(has_text(s, "label = \"mul (2,)\""));
  EXPECT_TRUE(has_text(s, "shape = ellipse, label = \"leaf (2,)\""));
}

TEST(Nodes, AreAllGoneAfterwards) {
  const auto before = live_nodes();
  {
    const Tensor x = ones({3}).requires_grad_();
    Tensor y = x;
    for (int i = 0; i < 10; ++i) y = tanh(y) * x;
    EXPECT_EQ(live_nodes(), before + 21);
    sum(y).backward({}, {.create_graph = true});
    x.zero_grad();
  }
  EXPECT_EQ(live_nodes(), before);
}

void* long_chain(void*) {
  const Tensor x = ones({}).requires_grad_();
  Tensor y = x;
  for (int i = 0; i < 1000000; ++i) y = y + 1e-6;
  y.backward();
  EXPECT_EQ(x.grad().item(), 1);
  Tensor again = x;
  for (int i = 0; i < 1000000; ++i) again = tanh(again);  // destroyed without a call of backward()
  return nullptr;
}

TEST(Nodes, AMillionOfThemUnwindOnASmallStack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, long_chain, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Threads, MayDifferentiateAtTheSameTime) {
  std::vector<std::thread> threads;
  std::vector<double> results(4);
  for (std::size_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const Tensor w = full({50, 50}, 0.01).requires_grad_();
      for (int k = 0; k < 20; ++k) sum(tanh(matmul(w, w))).backward();
      results[i] = sum(w.grad()).item();
    });
  for (std::thread& t : threads) t.join();
  for (const double r : results) EXPECT_EQ(r, results[0]);
}

TEST(Backward, RestoresEverythingAfterAnError) {
  const Tensor x = leaf(1), h = x * 2, y = h * 3;
  bool fail_now = true;
  h.register_hook([&](const Tensor& g) -> Tensor {
    if (fail_now) throw std::runtime_error("hook");
    return g;
  });
  EXPECT_THROW(y.backward({}, {.retain_graph = true}), std::runtime_error);
  EXPECT_FALSE(x.grad().defined());
  fail_now = false;
  const Tensor again = h * 3;
  again.backward();
  EXPECT_EQ(x.grad().item(), 6);
}

TEST(Leaves, GiveTheirGradientWithoutCountingAReference) {
  const Tensor w = leaf(2);
  EXPECT_FALSE(grad_of(w).defined());
  (w * w).backward();
  const Tensor& g = grad_of(w);
  EXPECT_TRUE(g.is_same(w.grad()));
  EXPECT_EQ(g.body().use_count(), 1u);
  EXPECT_FALSE(grad_of(tensor({1.0})).defined()) << "a tensor that requires no gradient";
  const Tensor y = w * w;
  y.retain_grad();
  (y * 3).backward();
  EXPECT_EQ(grad_of(y).item(), 3);
}

TEST(Writes, PastTheMembersOfTensorAreCountedToo) {
  const Tensor w = leaf(2);
  const Tensor y = w * w;
  {
    const NoGradGuard guard;
    kernel::overwrite(tensor({5.0}).reshape({}), w);
  }
  EXPECT_EQ(w.item(), 5);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { y.backward(); }),
                       "[mul] needs a tensor of shape () at version 0 for its gradient, got "
                       "version 1: it was changed in place"));
  const Tensor z = w * w;
  *w.data_ptr<double>() = 7;
  detail::count_write(w);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { z.backward(); }), "got version 2"));
}

TEST(Leaves, HaveDenseGradientsOfTheirOwn) {
  const Tensor w = tensor({1.0, 2.0, 3.0}).requires_grad_();
  sum(w).backward();  // expanded inside
  w.grad().add_(tensor({1.0, 2.0, 3.0}));
  EXPECT_EQ(w.grad().to_vector(), (Doubles{2, 3, 4}));
  const Tensor a = leaf(1), b = leaf(2);
  (a + b).backward({}, {.create_graph = true});
  EXPECT_FALSE(a.grad().shares_storage(b.grad()));
}

TEST(InPlace, AStaleViewIsRefusedWhereverItAppears) {
  const Tensor w = ones({3}).requires_grad_(), base = zeros({3}), v = base.slice(0, 0, 3);
  base.add_(w);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { v* w; }),
                       "got a view whose base was changed in place"));
  const Tensor y = w * 2, head = y[0];
  y.mul_(3);
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { head.backward(); }),
                       "got a view whose base was changed in place"));
}

TEST(InPlace, KeepsWhatTheRuleNeedsAndNoCycle) {
  const auto before = live_nodes();
  {
    const Tensor w = tensor({-1.0, 2.0, 7.0}).requires_grad_(),
                 b = tensor({2.0, 3.0, 4.0}).requires_grad_();
    const Tensor x = w * 1;
    x.clamp_(0.0, 5.0);
    x.mul_(b);
    sum(x).backward();
    EXPECT_EQ(w.grad().to_vector(), (Doubles{0, 3, 0}));
    EXPECT_EQ(b.grad().to_vector(), (Doubles{0, 2, 5}));
    const Tensor forgotten = w * 2;
    forgotten.mul_(0.5);
    forgotten.mul_(forgotten);
    const Tensor constant = ones({3});
    for (const Tensor& y : {w * 1, w.clone(), (w * 2).reshape({3}).clone(), constant})
      y.mul_(sin(y) + y * w + softmax(y, 0) + Cube::apply(y, 2.0));
  }
  EXPECT_EQ(live_nodes(), before) << "a graph keeps itself alive";
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         zeros({1, 2}).expand({3, 2}).add_(1);
                       }),
                       "[add_] got an expanded tensor"));
}

TEST(Grad, LeavesWhatIsNotAskedForUsable) {
  const Tensor x = leaf(3), h = x * 2, y = h * h;
  const Tensor g = grad({y}, {h})[0];
  h.backward(g);
  EXPECT_EQ(x.grad().item(), 24);
  const Tensor p = leaf(1), q = leaf(2), u = exp(p), v = exp(q);
  grad({u, v}, {p});
  v.backward();
  EXPECT_NEAR(q.grad().item(), std::exp(2), 1e-12);
}

TEST(Grad, InsideAHookWorksOnAnotherGraphAndRefusesTheOneThatRuns) {
  const Tensor w = leaf(3), q = leaf(0), a = w * 5, f = a + w * w * 7, other = w * w;
  const Tensor z = exp(q);
  double got = 0;
  std::string refused;
  z.register_hook([&](const Tensor&) {
    got = grad({other}, {other}, {}, {.retain_graph = true})[0].item();
    refused = message_of<GraphError>([&] { grad({f}, {w}, {}, {.retain_graph = true}); });
    return Tensor();
  });
  (z + f).backward({}, {.retain_graph = true});
  EXPECT_EQ(got, 1);
  EXPECT_TRUE(has_text(refused, "got a graph that another backward() is running through at 'add'"));
  EXPECT_EQ(w.grad().item(), 47);
}

TEST(Hooks, ReplaceWhatGradGivesToo) {
  const Tensor x = leaf(2), y = x * 3;
  x.register_hook([](const Tensor& g) { return g * 10; });
  y.register_hook([](const Tensor& g) { return g + 1; });
  const std::vector<Tensor> g = grad({y * y}, {y, x});
  EXPECT_EQ(g[0].item(), 13);
  EXPECT_EQ(g[1].item(), 390);
}

struct Halve : Function<Halve> {
  static inline std::function<void()> look;
  static Tensor forward(FunctionContext&, const Tensor& x) {
    look();
    return x * 0.5;
  }
  static std::vector<Tensor> backward(FunctionContext&, const Tensor& g) {
    look();
    return {g * 0.5};
  }
};

TEST(FloatingMode, OfTheCallerHoldsInTheUsersCode) {
  int looks = 0;
  const auto look = [&looks] {
    volatile float tiny = 1e-40f;
    EXPECT_NE(tiny * 1.0f, 0.0f);
    if (++looks > 20) return;
    const EnableGradGuard enable;  // a run within the run
    const Tensor inner = ones({2}).requires_grad_();
    sum(inner * 2).backward();
    EXPECT_NE(tiny * 1.0f, 0.0f);
  };
  Halve::look = look;
  const Tensor w = ones({2}).requires_grad_();
  w.register_hook([&](const Tensor&) { return look(), Tensor(); });
  Halve::apply(w).sum().backward();
  EXPECT_EQ(looks, 3);
  optim::Optimizer lbfgs({{"w", w}}, optim::LBFGS{});
  lbfgs.step([&] {
    look();
    Tensor loss = Halve::apply(w).square().sum();
    loss.backward();
    return loss.item();
  });
  EXPECT_GT(looks, 10);
  Halve::look = nullptr;
  // Descent's own kernels flush: the gradient of 1e-30 · 1e-30 · x is 0, whatever stands beside.
  const Tensor x = ones({1}).requires_grad_();
  sum(x * 1e-20 * 1e-20).backward();
  EXPECT_EQ(x.grad().item(), 0);
}

TEST(Hooks, MayRegisterOthersButNotChangeTheType) {
  const Tensor x = leaf(1), h = x * 2;
  h.register_hook([&](const Tensor&) {
    for (int i = 0; i < 50; ++i) h.register_hook([](const Tensor&) { return Tensor(); });
    return Tensor();
  });
  h.backward();
  EXPECT_EQ(x.grad().item(), 2);
  const Tensor y = ones({1}).requires_grad_();
  y.register_hook([](const Tensor& g) { return g.to(kFloat64); });
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { sum(y).backward(); }),
                       "[hook] got a gradient of float64(1,), expected float32(1,)"));
}

struct BadShape : Function<BadShape> {
  static Tensor forward(FunctionContext&, const Tensor& x) { return x * 2; }
  static std::vector<Tensor> backward(FunctionContext&, const Tensor&) {
    return {ones({2}, kFloat64)};
  }
};
struct Same : Function<Same> {
  static Tensor forward(FunctionContext&, const Tensor& x) { return x; }
  static std::vector<Tensor> backward(FunctionContext&, const Tensor& g) { return {g}; }
};

TEST(Functions, AreHeldToTheShapesOfTheirInputs) {
  const Tensor x = ones({5000}, kFloat64).requires_grad_();
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { sum(BadShape::apply(x)).backward(); }),
                       "[BadShape] backward gave a gradient of (2,) for argument 0 counted from 0, "
                       "expected (5000,), the argument's own shape"));
  EXPECT_TRUE(
      has_text(message_of<ShapeError>([] { sum_to(ones({3}), {5000}); }), "[sum_to] got (3,)"));
  EXPECT_TRUE(
      has_text(message_of<GraphError>([&] { Same::apply(x).mul_(2); }), "[mul_] got a view"));
}

TEST(Values, AtTheEdgesAgreeWithPyTorch) {
  EXPECT_EQ(mean(full({7, 7}, 7, kFloat64)).item(), 7);
  EXPECT_EQ(matmul(tensor({{16777217}}), tensor({{1}})).item<std::int64_t>(), 16777217);
  EXPECT_EQ(clamp(tensor({16777217}), 0).item<std::int64_t>(), 16777217);
  EXPECT_EQ(arange(std::int64_t{1} << 60, (std::int64_t{1} << 60) + 10).numel(), 10);
  EXPECT_EQ(matmul(zeros({2, 3, 0}), zeros({0, 4})).shape(), (Shape{2, 3, 4}));
  const Tensor z = zeros({3}, kFloat64).requires_grad_();
  norm(z, 3).backward();
  EXPECT_EQ(z.grad().to_vector(), (Doubles{0, 0, 0}));
  const Tensor e = zeros({3, 0}).requires_grad_();
  sum(prod(e, {1})).backward();
  EXPECT_EQ(e.grad().shape(), (Shape{3, 0}));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { tensor(3.0).size(0); }),
                       "[size] got dimension 0 of a scalar"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         zeros({std::int64_t{1} << 32, std::int64_t{1} << 32});
                       }),
                       "at most 2^48 elements"));
  const std::int64_t wide = std::int64_t{1} << 32, most = std::numeric_limits<std::int64_t>::max();
  float one = 1;
  for (const Shape& shape :
       {Shape{wide, wide}, Shape{most, most}, Shape{std::int64_t{1} << 62, 4, 0}}) {
    EXPECT_TRUE(has_text(message_of<ShapeError>([&] { ones({1}).expand(shape); }),
                         "at most 2^48 elements"));
    EXPECT_TRUE(
        has_text(message_of<ShapeError>([&] { from_blob(&one, shape); }), "at most 2^48 elements"));
    EXPECT_TRUE(has_text(message_of<ShapeError>([&] { zeros({0}).reshape(shape); }), "to be seen"));
    EXPECT_TRUE(has_text(message_of<ShapeError>([&] { ones({1}).view(shape); }), "to be seen"));
  }
}

TEST(Losses, KeepTheirGradientAtSaturatedInputs) {
  const Tensor x = tensor({20.0, 3.0}).requires_grad_();
  nn::bce_loss(sigmoid(x), tensor({1.0, 1.0})).backward();
  EXPECT_EQ(x.grad()[0].item(), 0);
  EXPECT_NEAR(x.grad()[1].item(), -0.0237129, 1e-6);
  EXPECT_NEAR(nn::bce_with_logits(tensor({15.0, -15.0}), tensor({1.0, 0.0})).item(), 3.059023e-7,
              1e-12);
  const Tensor lo = tensor({{0.0, -INFINITY, 1.0}}), y = tensor({0});
  EXPECT_NEAR(nn::cross_entropy(lo, y, {.weight = ones({3})}).item(), 1.3132617, 1e-6);
  const Tensor l = ones({2, 3}, kFloat64).requires_grad_();
  const Tensor all_ignored = nn::cross_entropy(l, tensor({-100, -100}));
  EXPECT_EQ(grad({all_ignored}, {l}, {}, {.create_graph = true})[0].to_vector(), Doubles(6, 0));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         nn::cross_entropy(zeros({2, 0}), tensor({0, 0}));
                       }),
                       "expected at least one class"));
}

TEST(Grad, RefusesAGraphOfWhichAPartWasFreed) {
  const Tensor w = tensor({1.0, 2.0}).requires_grad_();
  const Tensor s = exp(w * w);
  sum(s).backward();
  const std::string text = message_of<GraphError>([&] { grad({sum(s) + sum(w * 3)}, {w}); });
  EXPECT_TRUE(has_text(text, "a graph that was freed at 'exp'")) << text;
  const Tensor l = sum(w * w);
  grad({l}, {w});
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { grad({l}, {w}); }), "was freed at 'sum'"));
}

// Each warning comes once in a program, so each test runs in a program of its own.
class Warnings : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(Warnings, OfASumThatGrowsOverStepsComeOnce) {
  const auto train = [](bool detach) {
    const Tensor w = ones({3}).requires_grad_();
    Tensor total = zeros({});
    for (int i = 0; i < 60; ++i) {
      const Tensor loss = sum(square(w));
      loss.backward();
      total = total + (detach ? loss.detach() : loss);
    }
    std::exit(0);
  };
  EXPECT_EXIT(train(false), ::testing::ExitedWithCode(0),
              "^.descent warning. add: the result depends on 20 graphs that backward.. has freed, "
              "and keeps the rest of each in memory. Hint: add up loss.item.. or "
              "loss.detach..\n$");
  EXPECT_EXIT(train(true), ::testing::ExitedWithCode(0), "^$");
}

TEST_F(Warnings, OfGraphsThatGradientsKeepComeOnce) {
  const auto run = [](bool same_leaf, bool drop) {
    const Tensor w = ones({3}).requires_grad_();
    for (int i = 0; i < 250; ++i) {
      const Tensor x = same_leaf ? w : ones({3}).requires_grad_();
      sum(x * x * x).backward({}, {.create_graph = true});
      if (drop) x.zero_grad();
    }
    std::exit(0);
  };
  const char* message =
      "^.descent warning. backward: the gradients of leaves keep the graphs of 100 runs with "
      "create_graph in memory. Hint: use grad.., or call zero_grad.. after each run\n$";
  EXPECT_EXIT(run(true, false), ::testing::ExitedWithCode(0), message);
  EXPECT_EXIT(run(true, true), ::testing::ExitedWithCode(0), "^$");
  EXPECT_EXIT(run(false, true), ::testing::ExitedWithCode(0), "^$");
}

TEST_F(Warnings, DoNotComeForUsualLoops) {
  const auto run = [] {
    const Tensor w = ones({3, 3}).requires_grad_();
    std::vector<double> losses;
    for (int i = 0; i < 60; ++i) {
      Tensor h = ones({3});
      for (int t = 0; t < 30; ++t) h = tanh(matmul(w, h));  // a recurrent net
      const Tensor loss = sum(h);
      loss.backward();  // gradients accumulate
      losses.push_back((loss * 2).item());
      EXPECT_EQ(argmax(softmax(h, 0)).dtype(), kInt64);  // a metric of what was freed
    }
    optim::Optimizer lbfgs({{"w", w}}, optim::LBFGS{});
    for (int i = 0; i < 30; ++i)
      lbfgs.step([&] {
        Tensor loss = sum(square(w - 2));
        loss.backward();
        return loss.item();
      });
    for (int i = 0; i < 150; ++i) {
      const Tensor g = grad({sum(w * w * w)}, {w}, {}, {.create_graph = true})[0];
      sum(g).backward({}, {.create_graph = true});
      w.set_grad(w.grad().detach());
    }
    std::exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "^$");
}

}  // namespace
}  // namespace descent
