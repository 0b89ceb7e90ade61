// Training runs that are interrupted at any batch and go on from a checkpoint, with the same bits.
#include "tests/optim/all_optimizers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"

#include <descent/descent.h>
#include <gtest/gtest.h>
#include <cstring>

namespace descent {
namespace {

using testing::all_optimizers;
using testing::Described;
using testing::TemporaryFolder;
using testing::WithThreads;

constexpr std::int64_t kBatches = 4;  // in an epoch

/// A run with everything that has a state.
struct Training {
  data::Dataset set = data::moons(26, 0.1, 1);
  nn::Sequential model;
  data::DataLoader loader{set, {.batch_size = 7, .seed = 3}};
  optim::Optimizer optimizer;
  optim::ReduceOnPlateau plateau;
  optim::EarlyStopping stopping;
  std::int64_t step = 0, judged = 0;  // steps made, epochs judged
  Checkpoint checkpoint;

  static nn::Sequential make_model() {
    manual_seed(11);
    return nn::Sequential(nn::Linear(2, 6), nn::BatchNorm1d(6), nn::Tanh(), nn::Dropout(0.2),
                          nn::Linear(6, 2));
  }
  /// Muon takes matrices alone.
  static Parameters trained(const nn::Module& model, const std::string& description) {
    Parameters all = model.parameters();
    if (description.starts_with("muon") && !description.starts_with("muon_adamw"))
      std::erase_if(all, [](const Parameter& p) { return p.value.dim() != 2; });
    return all;
  }
  static std::string field_of(const optim::Optimizer& o) {
    std::string number;
    for (const auto& f : o.fields()) {
      if (f.name == "lr") return "lr";
      if (!f.is_switch) number = f.name;
    }
    return number;
  }
  Training(const std::string& description, const std::string& folder)
      : model(make_model()),
        optimizer(optim::make(description, trained(model, description))),
        plateau(optimizer, {.factor = 0.5, .patience = 0}, field_of(optimizer)),
        checkpoint(folder) {
    checkpoint.add("model", model);
    checkpoint.add("loader", loader);
    checkpoint.add("optimizer", optimizer);
    checkpoint.add("plateau", plateau);
    checkpoint.add("stopping", stopping);
    checkpoint.add("step", step);
    checkpoint.add("judged", judged);
  }

  /// Trains to the end. Saves after `interruption` steps.
  void go(std::int64_t epochs, std::int64_t interruption) {
    for (; judged < epochs; ++judged) {
      if (loader.finished_epochs() == judged)  // not if the run was saved after the last batch
        for (auto [x, y] : loader) {
          optimizer.step([&, x = x, y = y] {
            const Tensor loss = nn::cross_entropy(model(x), y);
            return testing::returned(optimizer, loss);
          });
          if (++step == interruption) checkpoint.save();
        }
      const NoGradGuard guard;
      model.eval();
      const double loss = nn::cross_entropy(model(set.x), set.y).item();
      model.train();
      plateau.step(loss);
      stopping.step(loss, model);
    }
  }
  /// Everything that decides how the run would go on.
  std::map<std::string, std::vector<double>> all() const {
    std::map<std::string, std::vector<double>> values;
    const auto add = [&](const std::string& part, const std::map<std::string, Tensor>& state) {
      for (const auto& [name, t] : state) values[part + name] = t.to_vector<double>();
    };
    add("model/", model.state_dict());
    add("loader/", loader.state_dict());
    add("optimizer/", optimizer.state_dict());
    add("plateau/", plateau.state_dict());
    add("stopping/", stopping.state_dict());
    values["counter"] = {static_cast<double>(default_generator().state().counter),
                         static_cast<double>(step)};
    return values;
  }
};

class Resume : public ::testing::TestWithParam<Described> {};

TEST_P(Resume, GoesOnWithTheSameBits) {
  const auto seed = std::hash<std::string>{}(GetParam().name);
  Generator random(seed);
  for (int i = 0; i < 2; ++i) {
    const TemporaryFolder folder;
    const auto interruption = 1 + static_cast<std::int64_t>(random.below(3 * kBatches));
    SCOPED_TRACE(to_text("seed ", seed, ", interrupted after step ", interruption));
    Training whole(GetParam().description, folder.path.string());
    whole.go(3, interruption);
    const auto expected = whole.all();

    const WithThreads threads(3);
    Training resumed(GetParam().description, folder.path.string());
    ASSERT_TRUE(resumed.checkpoint.load());
    EXPECT_EQ(resumed.step, interruption);
    resumed.go(3, 0);
    const auto got = resumed.all();
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [name, values] : expected) {
      const auto& others = got.at(name);
      ASSERT_EQ(others.size(), values.size()) << name;
      EXPECT_EQ(std::memcmp(others.data(), values.data(), values.size() * sizeof(double)), 0)
          << name;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Every, Resume, ::testing::ValuesIn(all_optimizers()),
                         [](const auto& i) { return i.param.name; });

TEST(Resume, IsNoDifferentFromARunThatWasNeverSaved) {
  const TemporaryFolder a, b;
  const char* text = "swa(sam(clip_norm(adamw(lr=0.01), 1)), start=3)";
  Training saved(text, a.path.string());
  saved.go(3, 5);
  const auto got = saved.all();
  Training plain(text, b.path.string());
  plain.go(3, 0);
  EXPECT_EQ(got, plain.all());
}

}  // namespace
}  // namespace descent
