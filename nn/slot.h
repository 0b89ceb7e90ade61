// What a module's handles share of a parameter, and how a module is cloned. Inside nn/ alone.
#pragma once

#include <descent/nn/module.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

namespace descent::nn {

/// A registered parameter or buffer, and the members of modules that show it.
struct detail::Slot {
  std::string name;
  Tensor value;
  std::vector<Param*> members{};
  const void* owner = nullptr;  // the State that lists it, as long as that lives
  bool trained;
  bool lost = false;  // its last member became another module's

  Slot(std::string slot_name, const Tensor& t, bool train);
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  void replace(const Tensor& t);
  /// Swaps the value with t for a while: nothing is checked, and no optimizer is told.
  void exchange(Tensor& t) noexcept;
};

/// Says that the base of a module was copied (from == to) or assigned, and that so many of its own
/// Params follow.
void note_move(const void* from, const void* to, std::size_t params);
/// Says that a state is gone.
void forget_moves(const void* state) noexcept;
namespace detail {
/// Throws ValueError if elements share memory.
void check_elements(const char* op, const std::string& name, const Tensor& t);
}  // namespace detail

struct Module::State {
  ~State() {
    forget_moves(this);
    for (const auto* list : {&parameters, &buffers})
      for (const auto& slot : *list) slot->owner = nullptr;
  }
  std::string name, configuration;
  std::once_flag named;  // the configuration is set, if need be to the name of the class
  bool training = true;
  std::atomic<int> handles = 0;  // how many Modules show this state
  bool lost = false;             // the last one of them was assigned another module
  std::vector<std::shared_ptr<detail::Slot>> parameters{}, buffers{};
  std::vector<std::pair<std::string, std::shared_ptr<State>>> children{};

  /// Calls f(state, path) once for this module and once for each module below it, parents first. If
  /// a module is registered twice, it is visited only under its first path.
  template <class F>
  void visit(const F& f) {
    std::vector<const State*> seen;
    visit(f, "", seen);
  }

 private:
  template <class F>
  void visit(const F& f, const std::string& path, std::vector<const State*>& seen) {
    if (std::find(seen.begin(), seen.end(), this) != seen.end()) return;
    seen.push_back(this);
    f(*this, path);
    for (const auto& [child_name, child] : children)
      child->visit(f, path.empty() ? child_name : to_text(path, ".", child_name), seen);
  }
};

}  // namespace descent::nn
