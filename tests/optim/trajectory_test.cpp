// Every rule and wrapper against the trajectories of tests/reference/optimizers.py: 30 steps each,
// to 1e-12 relative in double and 1e-5 in float.
#include "tests/optim/trajectory.h"

#include "tests/support/reference.h"

namespace descent {
namespace {

using namespace optim;
using testing::deviation;
using testing::Problem;

using Make = std::function<Optimizer(const Problem&)>;

template <class Rule>
Make rule(Rule r) {
  return [r](const Problem& p) { return Optimizer(p.parameters(), r); };
}

std::map<std::string, Make> table() {
  const Schedule dropping{[](std::int64_t t) { return t < 5 ? 0.01 : 0.001; }, "dropping"};
  const Schedule halving{
      [](std::int64_t t) { return 0.05 * std::pow(0.5, static_cast<double>(t / 10)); }, "halving"};
  return {
      {"sgd", rule(SGD{.lr = 0.01})},
      {"sgd decay", rule(SGD{.lr = 0.01, .weight_decay = 0.1})},
      {"sgd maximize", rule(SGD{.lr = 0.001, .maximize = true})},
      {"momentum", rule(SGD{.lr = 0.01, .momentum = 0.9})},
      {"momentum dampening",
       rule(SGD{.lr = 0.01, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05})},
      {"nesterov", rule(SGD{.lr = 0.01, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true})},
      {"momentum drop", rule(SGD{.lr = dropping, .momentum = 0.9})},
      {"momentum step form", rule(SGD{.lr = dropping, .momentum = 0.9, .step_form = true})},
      {"adagrad", rule(AdaGrad{.lr = 0.1})},
      {"adagrad all", rule(AdaGrad{.lr = 0.1,
                                   .lr_decay = 0.05,
                                   .eps = 1e-3,
                                   .initial_accumulator = 0.3,
                                   .weight_decay = 0.02})},
      {"adagrad inside", rule(AdaGrad{.lr = 0.1, .eps = 1e-2, .eps_inside_sqrt = true})},
      {"rmsprop", rule(RMSProp{.lr = 0.01})},
      {"rmsprop centered", rule(RMSProp{.lr = 0.01, .alpha = 0.9, .centered = true})},
      {"rmsprop momentum",
       rule(RMSProp{.lr = 0.01, .alpha = 0.95, .momentum = 0.7, .weight_decay = 0.1})},
      {"rmsprop both", rule(RMSProp{.lr = 0.01, .eps = 1e-4, .momentum = 0.5, .centered = true})},
      {"rmsprop inside",
       rule(RMSProp{.lr = 0.01, .alpha = 0.9, .eps = 1e-2, .eps_inside_sqrt = true})},
      {"adam", rule(Adam{.lr = 0.05})},
      {"adam decay",
       rule(Adam{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1})},
      {"adam maximize", rule(Adam{.lr = 0.05, .weight_decay = 0.1, .maximize = true})},
      {"amsgrad", rule(Adam{.lr = 0.05, .beta2 = 0.9, .amsgrad = true})},
      {"adamw", rule(AdamW{.lr = 0.05})},
      {"adamw all", rule(AdamW{.lr = 0.05,
                               .beta1 = 0.85,
                               .beta2 = 0.97,
                               .eps = 1e-4,
                               .weight_decay = 0.3,
                               .amsgrad = true})},
      {"adamw drop",
       rule(AdamW{.lr = Schedule{[](std::int64_t t) { return t < 5 ? 0.05 : 0.005; }, "drop"},
                  .weight_decay = 0.1})},
      {"adamw decoupled", rule(AdamW{.lr = halving, .weight_decay = 0.02, .decoupled_lr = true})},
      {"adamw groups",
       [](const Problem& p) {
         Optimizer o(Parameters{{"a", p.a}}, AdamW{.lr = 0.05, .weight_decay = 0.2});
         o.add_group(Parameters{{"b", p.b}}, AdamW{.lr = 0.01, .weight_decay = 0});
         return o;
       }},
      {"sam sgd",
       [](const Problem& p) {
         return sam({p.parameters(), SGD{.lr = 0.01}});
       }},
      {"sam adamw",
       [](const Problem& p) {
         return sam({p.parameters(), AdamW{.lr = 0.05}}, {.rho = 0.1});
       }},
      {"asam sgd",
       [](const Problem& p) {
         return asam({p.parameters(), SGD{.lr = 0.01}});
       }},
      {"clip_value",
       [](const Problem& p) {
         return clip_value({p.parameters(), Adam{.lr = 0.05}}, 0.5);
       }},
      {"clip_norm",
       [](const Problem& p) {
         return clip_norm({p.parameters(), SGD{.lr = 0.01}}, 3.0);
       }},
      {"clip_norm_per_parameter",
       [](const Problem& p) {
         return clip_norm_per_parameter({p.parameters(), SGD{.lr = 0.01}}, 3.0);
       }},
      {"clip value then norm",
       [](const Problem& p) {
         return clip_value(clip_norm({p.parameters(), SGD{.lr = 0.01}}, 2.0), 1.0);
       }},
      {"clip norm then value",
       [](const Problem& p) {
         return clip_norm(clip_value({p.parameters(), SGD{.lr = 0.01}}, 1.0), 6.0);
       }},
  };
}

const std::map<std::string, testing::ReferenceCase>& reference() {
  static const auto cases = testing::read_reference("optimizers.txt");
  return cases;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, numbers] : reference())
    if (numbers.contains("path")) all.push_back(name);
  return all;
}

class Trajectory : public ::testing::TestWithParam<std::string> {
 protected:
  void follow(DType dtype, int steps, double tolerance) const {
    const Problem p(dtype);
    Optimizer optimizer = table().at(GetParam())(p);
    const Tensor path = reference().at(GetParam()).at("path")[0];
    for (int t = 0; t < steps; ++t) {
      p.step(optimizer);
      ASSERT_LE(deviation(p.values(), path[t]), tolerance) << "after step " << t + 1;
    }
  }
};

TEST_P(Trajectory, EqualsTheReferenceInDouble) { follow(kFloat64, 30, 1e-12); }
// One step rounds each weight once, to 6e-8 of its size; ten steps of a curved problem add up.
TEST_P(Trajectory, EqualsTheReferenceInFloat) { follow(kFloat32, 10, 1e-6); }

INSTANTIATE_TEST_SUITE_P(Table, Trajectory, ::testing::ValuesIn(names()), [](const auto& i) {
  std::string name = i.param;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(TrajectoryTable, HasAnOptimizerForEveryReferenceAndNoOther) {
  const auto own = table();
  for (const std::string& name : names()) EXPECT_TRUE(own.contains(name)) << name;
  EXPECT_EQ(own.size(), names().size());
}

TEST(Average, EqualsThatOfTorchSwaUtils) {
  for (const char* name : {"swa", "ema"}) {
    const Problem p;
    Optimizer base(p.parameters(), SGD{.lr = 0.01});
    Optimizer o = std::string(name) == "swa" ? swa(std::move(base), {.start = 10, .every = 3})
                                             : ema(std::move(base), 0.9);
    for (int t = 0; t < 30; ++t) p.step(o);
    const Tensor before = p.values();
    o.swap_average();
    EXPECT_LE(deviation(p.values(), reference().at(name).at("average")[0]), 1e-12) << name;
    o.swap_average();
    EXPECT_EQ(p.values().to_vector(), before.to_vector()) << name << " is not swapped back exactly";
  }
}

TEST(Schedules, EqualTorchLrScheduler) {
  const std::map<std::string, Schedule> own{
      {"step", step_decay(0.1, 7, 0.3)},
      {"exponential", exponential(0.1, 0.95)},
      {"linear", linear(0.025, 0.1, 20)},
      {"cosine", cosine(0.1, 60, 0.01)},
      {"one_cycle", one_cycle(0.5, 61)},
      {"swa_lr", swa_lr(0.1, 0, 0.02, 15)},
      {"swa_lr_linear", swa_lr(0.1, 0, 0.02, 15, Anneal::linear)},
      {"joined", joined({{10, exponential(0.1, 0.9)}, {10, exponential(0.1, 0.5)}})},
  };
  for (const auto& [name, s] : own) {
    const std::vector<double> expected =
        reference().at("schedule " + name).at("values")[0].to_vector();
    for (std::size_t t = 0; t < expected.size(); ++t)
      EXPECT_NEAR(s(static_cast<std::int64_t>(t)), expected[t], 1e-14) << name << " at " << t;
  }
}

TEST(Plateau, EqualsTorchReduceLROnPlateau) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{.lr = 0.1});
  ReduceOnPlateau plateau(o, {.factor = 0.5, .patience = 2, .cooldown = 1, .min = 0.004});
  const auto& numbers = reference().at("plateau");
  const std::vector<double> metrics = numbers.at("metrics")[0].to_vector(),
                            values = numbers.at("values")[0].to_vector();
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    plateau.step(metrics[i]);
    EXPECT_NEAR(o.get("lr"), values[i], 1e-15) << "after metric " << i;
  }
}

}  // namespace
}  // namespace descent
