// The networks of a model, and how each is trained: `train` makes one, or several as an ensemble.
#pragma once

#include "run/measures.h"
#include "run/training.h"

#include <memory>

namespace app {

/// One network of a model, its training run, and the checkpoints of the run. Options and data must
/// outlive the member.
class Member {
 public:
  /// Network number `index` has the seed --seed + index. Checkpoints go into `folder`, unless it is
  /// empty. Throws the errors of make_optimizer().
  Member(const Options& o, const Prepared& data, int index, std::string folder);

  /// Trains the network, and leaves it in evaluation mode. With --resume, goes on where the last
  /// checkpoint was saved. Calls show() after every epoch, if there is one. After a signal, saves a
  /// checkpoint and throws Interrupted.
  const Run& run(const std::function<void(const Epoch&)>& show);

  const std::string& rule() const { return rule_; }
  descent::nn::Sequential& net() { return net_; }
  const Run& result() const { return run_; }
  /// Removes the checkpoints.
  void clear();

 private:
  static Options seeded(Options o, int index);
  void open_checkpoint(const Prepared& data);

  Options o_;
  const Prepared& data_;
  std::string folder_;
  descent::nn::Sequential net_;
  descent::Generator::State random_;  // of the thread that trains
  Training training_;
  std::string rule_;
  std::unique_ptr<descent::Checkpoint> checkpoint_;
  Run run_;
};

/// The model that the options describe, without networks.
descent::TableModel untrained_model(const Options& o, const Prepared& data);
/// What the file of a model says of its training.
std::map<std::string, std::string> notes_of(const Options& o, const std::string& rule,
                                            const Prepared& data, const std::vector<Run>& runs,
                                            const std::vector<Evaluation>& validation);

/// Where network i saves its checkpoints; "" without --out.
std::string folder_of_member(const Options& o, int i);
/// Whether an interrupted run left checkpoints in --out.
bool has_checkpoints(const Options& o);
/// Makes the folder of --out. Without --resume, throws UsageError if it has checkpoints, which
/// would be lost.
void open_folder(const Options& o);
void clear_checkpoints(const Options& o, std::vector<std::unique_ptr<Member>>& members);

}  // namespace app
