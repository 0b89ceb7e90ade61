#include <descent/autograd/engine.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/text.h>
#include <descent/nn/functional.h>
#include <descent/nn/passed.h>
#include <descent/nn/slot.h>

#include <set>

namespace descent::nn {

/// While it lives, other tensors stand in place of a module's parameters and buffers.
class detail::Exchange {
 public:
  Exchange(Module& model, const NamedTensors& tensors) {
    std::set<std::string> left;
    std::vector<std::string> names;
    for (const auto& [name, t] : tensors) left.insert(name);
    model.state_->visit([&](const Module::State& s, const std::string& path) {
      for (const auto* list : {&s.parameters, &s.buffers})
        for (const auto& slot : *list) {
          names.push_back(path.empty() ? slot->name : to_text(path, ".", slot->name));
          const auto found = tensors.find(names.back());
          if (found == tensors.end()) continue;
          left.erase(found->first);
          check(*slot, found->second, names.back(), s.configuration);
          others_.emplace_back(slot, found->second);
        }
    });
    share(model, tensors);
    if (!left.empty())
      fail<ValueError>("functional_call", "got the name '", *left.begin(), "', ",
                       expected_one_of(*left.begin(), names));
    swap();
  }
  ~Exchange() { swap(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  bool is_stacked() const { return stacked_; }

 private:
  /// Takes other slots that hold a parameter which is replaced, unless they are named themselves.
  void share(Module& model, const NamedTensors& tensors) {
    const std::size_t named = others_.size();
    model.state_->visit([&](const Module::State& s, const std::string& path) {
      for (const auto& slot : s.parameters) {
        if (tensors.contains(path.empty() ? slot->name : to_text(path, ".", slot->name))) continue;
        for (std::size_t i = 0; i < named; ++i)
          if (slot->value.defined() && slot->value.is_same(others_[i].first->value)) {
            const Tensor other = others_[i].second;
            others_.emplace_back(slot, other);
          }
      }
    });
  }
  void check(const Slot& slot, const Tensor& t, const std::string& name,
             const std::string& configuration) {
    if (!t.defined())
      fail<ValueError>("functional_call", "got an undefined tensor for '", name, "'");
    bool fits = t.shape() == slot.value.shape();
    if (!fits && t.dim() == slot.value.dim() + 1 && configuration.starts_with("Linear ")) {
      Shape one = t.shape();
      one.erase(0);
      fits = one == slot.value.shape();
    }
    if (!fits)
      fail<ShapeError>(
          "functional_call", "got ", t.shape(), " for '", name, "', expected ", slot.value.shape(),
          configuration.starts_with("Linear ") ? ", or one dimension more in front"
          : t.dim() == slot.value.dim() + 1    ? ". Hint: only Linear layers run side by side"
                                               : "");
    stacked_ = stacked_ || !(t.shape() == slot.value.shape());
  }
  void swap() noexcept {
    for (auto& [slot, other] : others_) slot->exchange(other);
  }
  std::vector<std::pair<std::shared_ptr<Slot>, Tensor>> others_;
  bool stacked_ = false;  // a Linear layer has K weights or biases
};

namespace {

/// Throws ValueError for a module that would take the K nets for rows or columns.
void check_side_by_side(const Module& model) {
  model.apply([](const std::string& path, const std::string& c, const Parameters&) {
    const bool counts_dimensions =
        c == "Flatten" || (c.find("Softmax dim=") != c.npos && c.find("dim=-") == c.npos);
    if (counts_dimensions)
      fail<ValueError>("functional_call", "got '", path, "' (", c,
                       ") among layers side by side, expected modules that work element by element "
                       "or on the last dimension. Hint: Softmax(-1); flatten the input before");
  });
}

}  // namespace

Tensor functional_call(Module& model, const NamedTensors& tensors, const Tensor& x) {
  const detail::Exchange exchange(model, tensors);
  if (!exchange.is_stacked()) return model(x);
  check_side_by_side(model);
  if (x.dim() != 1) return model(x);
  return model(x.unsqueeze(0)).squeeze(1);  // (K, 1, C): the first Linear's K is not taken for N
}

NamedTensors stack_modules(const std::vector<Module*>& modules) {
  if (modules.empty()) fail<ValueError>("stack_modules", "got no modules, expected one or more");
  std::map<std::string, std::vector<Tensor>> all;
  std::map<std::string, std::string> kinds;  // by path, of the first module
  for (const Module* m : modules) {
    if (!m) fail<ValueError>("stack_modules", "got a null pointer, expected modules");
    std::size_t parts = 0;
    m->apply([&](const std::string& path, const std::string& kind, const Parameters&) {
      const auto [first, is_new] = kinds.emplace(path, kind);
      ++parts;
      if (m != modules[0] && (is_new || first->second != kind))
        fail<StateError>(
            "stack_modules", "got '", path, "' as ", kind, ", and in the first module ",
            is_new ? "nothing of this name" : first->second, ", expected modules that are alike");
    });
    if (parts != kinds.size())
      fail<StateError>("stack_modules", "got a module of ", parts, " parts, and the first has ",
                       kinds.size(), ", expected modules that are alike");
    for (const Parameters& list : {m->parameters(), m->buffers()})
      for (const Parameter& p : list) all[p.name].push_back(p.value);
  }
  NamedTensors stacked;
  const NoGradGuard no_grad;
  for (const auto& [name, tensors] : all) {
    if (tensors.size() != modules.size())
      fail<StateError>("stack_modules", "got '", name, "' in ", tensors.size(), " of ",
                       modules.size(),
                       " modules, expected it in all. Hint: are weights tied in "
                       "some and not in others?");
    for (const Tensor& t : tensors)
      if (!(t.shape() == tensors[0].shape()) || t.dtype() != tensors[0].dtype())
        fail<StateError>("stack_modules", "got '", name, "' of ", tensors[0].dtype(),
                         tensors[0].shape(), " and of ", t.dtype(), t.shape(),
                         ", expected modules that are alike");
    stacked[name] = stack(tensors).requires_grad_(tensors[0].requires_grad());
  }
  return stacked;
}

NamedTensors per_sample_grad(Module& model,
                             const std::function<Tensor(const Tensor&, const Tensor&)>& loss,
                             const Tensor& x, const Tensor& y) {
  Parameters trained;
  for (const Parameter& p : model.parameters())
    if (p.value.requires_grad()) trained.push_back(p);
  const std::int64_t n = x.size(0);
  const auto sum_of = [&](const Tensor& output, const Tensor& target) {
    const Tensor l = loss(output, target);
    if (l.dim() != 1 || l.size(0) != target.size(0))
      fail<ShapeError>("per_sample_grad", "got losses ", l.shape(), ", expected (", target.size(0),
                       ",). Hint: Reduction::none");
    return sum(l);
  };
  const EnableGradGuard record;
  NamedTensors result;
  const auto add = [&](const Tensor& parameter, const Tensor& g) {  // a tied one is met twice
    for (const Parameter& p : trained)
      if (p.value.is_same(parameter)) {
        Tensor& all = result[p.name];
        all = all.defined() ? all + g : g;
      }
  };
  if (n == 0) {
    for (const Parameter& p : trained) {
      Shape shape{0};
      for (const std::int64_t extent : p.value.shape()) shape.push_back(extent);
      result[p.name] = zeros(shape, p.value.dtype());
    }
    return result;
  }
  if (x.dim() == 2 && detail::treats_rows_alone(model)) {
    std::vector<detail::Passed> passed;
    const Tensor total = sum_of(detail::pass(model, x.detach(), passed), y);
    std::vector<Tensor> outputs;
    for (const detail::Passed& p : passed) outputs.push_back(p.output);
    const std::vector<Tensor> g = grad({total}, outputs, {}, {.allow_unused = true});
    const NoGradGuard no_grad;
    for (std::size_t i = 0; i < passed.size(); ++i) {
      const auto& [layer, input, output] = passed[i];
      const Tensor by_output = g[i].defined() ? g[i] : zeros_like(output);
      add(layer->weight, matmul(by_output.unsqueeze(2), input.unsqueeze(1)));
      if (layer->bias.defined()) add(layer->bias, by_output);
    }
    return result;
  }
  std::vector<Tensor> values;
  for (const Parameter& p : trained) values.push_back(p.value);
  std::vector<std::vector<Tensor>> rows(values.size());
  for (std::int64_t i = 0; i < n; ++i) {
    const Tensor l = sum_of(model(x.narrow(0, i, 1)), y.narrow(0, i, 1));
    const std::vector<Tensor> g = grad({l}, values, {}, {.allow_unused = true});
    for (std::size_t k = 0; k < values.size(); ++k)
      rows[k].push_back(g[k].defined() ? g[k] : zeros_like(values[k]));
  }
  for (std::size_t k = 0; k < values.size(); ++k) result[trained[k].name] = stack(rows[k]);
  return result;
}

}  // namespace descent::nn
