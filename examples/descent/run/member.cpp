#include "run/member.h"

#include "run/interrupt.h"

#include <filesystem>

namespace app {

using namespace descent;

Options Member::seeded(Options o, int index) {
  o.seed += static_cast<std::uint64_t>(index);
  return o;
}

Member::Member(const Options& o, const Prepared& data, int index, std::string folder)
    : o_(seeded(o, index)),
      data_(data),
      folder_(std::move(folder)),
      net_([&] {
        manual_seed(o_.seed);
        return make_model(o_, data.all, data.schema);
      }()),
      random_(default_generator().state()),
      training_(o_, net_, data.train, data.validation, data.weight),
      rule_(training_.optimizer.to_string()) {}  // a checkpoint may change its settings

void Member::open_checkpoint(const Prepared& data) {
  std::map<std::string, std::string> settings;
  for (const Listed& option : listing(o_, false))  // what changes the networks
    if (option.name != "time_limit" && option.name != "cv" && option.name != "test")
      settings.emplace(option.name, option.text);
  settings["samples"] = checksum(data.all);
  checkpoint_ =
      std::make_unique<Checkpoint>(folder_, CheckpointOptions{.keep = 2, .settings = settings});
  training_.trainer.add_to(*checkpoint_);
  if (!o_.resume || !checkpoint_->load())
    checkpoint_->save();  // throws before the first epoch if the folder cannot take a file
}

const Run& Member::run(const std::function<void(const Epoch&)>& show) {
  default_generator().set_state(random_);
  if (!folder_.empty()) open_checkpoint(data_);
  using Clock = std::chrono::steady_clock;
  auto saved = Clock::now();
  if (!o_.trace.empty()) training_.optimizer.set_tracer(optim::csv_tracer(o_.trace));
  run_ = training_.trainer.run({.batch =
                                    [&] {
                                      if (!interrupted()) return;
                                      if (checkpoint_) checkpoint_->save();
                                      throw Interrupted{};
                                    },
                                .epoch =
                                    [&](const Epoch& e) {
                                      if (show) show(e);
                                      if (!checkpoint_ ||
                                          Clock::now() - saved < std::chrono::seconds(1))
                                        return;
                                      checkpoint_->save(e.validation.loss);
                                      saved = Clock::now();
                                    }});
  net_.eval();
  settle_unknown_words(net_, data_.schema, data_.train.x);
  return run_;
}

void Member::clear() {
  if (checkpoint_) checkpoint_->clear();
}

TableModel untrained_model(const Options& o, const Prepared& data) {
  TableModel model{data.schema, {}, {}, {}};
  model.network = network_of(o, data.all.num_features(), data.schema.num_outputs());
  model.network.embedded = embedded_columns(data.schema);
  return model;
}

std::map<std::string, std::string> notes_of(const Options& o, const std::string& rule,
                                            const Prepared& data, const std::vector<Run>& runs,
                                            const std::vector<Evaluation>& validation) {
  std::map<std::string, std::string> notes{
      {"optimizer", rule}, {"seed", std::to_string(o.seed)}, {"data", checksum(data.all)}};
  if (runs.size() == 1) notes["validation loss"] = to_text(runs[0].validation.loss);
  for (const Evaluation& e : validation)
    for (const nn::Measure& m : e.measures)
      notes[to_text("validation ", m.name, validation.size() > 1 ? " of " + e.target.name : "")] =
          to_text(m.value, " [", m.low, ", ", m.high, "]");
  return notes;
}

std::string folder_of_member(const Options& o, int i) {
  if (o.out.empty() || o.ensemble == 1) return o.out;
  return to_text(o.out, "/network-", i + 1);
}

namespace {
/// True if the folder exists and has checkpoints.
bool has_files(const std::string& folder) {
  std::error_code error;
  return std::filesystem::exists(folder, error) && Checkpoint(folder).exists();
}
}  // namespace

bool has_checkpoints(const Options& o) {
  return has_files(o.out) || has_files(o.out + "/network-1");
}

void open_folder(const Options& o) {
  make_folder(o.out);
  if (!o.resume && has_checkpoints(o))
    fail<UsageError>("--out", "got '", o.out,
                     "', which has checkpoints of a run that was interrupted, expected another "
                     "folder. Hint: --resume goes on with that run; else remove its checkpoint-* "
                     "files");
  if (o.resume && has_files(o.ensemble == 1 ? o.out + "/network-1" : o.out))
    fail<UsageError>("--resume", "got --ensemble ", o.ensemble, ", expected ",
                     o.ensemble == 1 ? "that of the interrupted run, which has several networks"
                                     : "none: the interrupted run has one network");
}

void clear_checkpoints(const Options& o, std::vector<std::unique_ptr<Member>>& members) {
  for (const auto& member : members) member->clear();
  std::error_code error;
  if (o.ensemble > 1)
    for (int i = 0; i < o.ensemble; ++i) std::filesystem::remove(folder_of_member(o, i), error);
}

}  // namespace app
