// A host that uses spdlog, TBB, Eigen and OpenBLAS for itself, and trains networks inside its own
// TBB tasks. The networks that are trained side by side equal the one that is trained alone.
#include <cblas.h>
#include <spdlog/spdlog.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <Eigen/Dense>

#include <descent/core/eigen.h>
#include <descent/descent.h>

#include <cstdio>
#include <vector>

namespace {

std::vector<double> train() {
  using namespace descent;
  manual_seed(3);
  nn::Sequential model(nn::Linear(4, 16), nn::ReLU(), nn::Linear(16, 3));
  optim::Optimizer adam(model.parameters(), optim::Adam{.lr = 0.02});
  const data::Dataset iris = data::iris();
  for (int i = 0; i < 30; ++i)
    adam.step([&] {
      Tensor loss = nn::cross_entropy(model(iris.x), iris.y);
      loss.backward();
      return loss;
    });
  return model(iris.x).to_vector();
}

}  // namespace

int main() {
  spdlog::info("the host has a logger of its own");
  const std::vector<double> alone = train();
  std::vector<std::vector<double>> all(8);
  tbb::task_arena arena(4);
  arena.execute([&] {
    tbb::parallel_for(std::size_t{0}, all.size(), [&](std::size_t i) { all[i] = train(); });
  });
  for (const std::vector<double>& one : all)
    if (one != alone) return 1;
  // Eigen over the memory of a tensor, and OpenBLAS beside.
  const descent::Tensor a = descent::ones({3, 3}, descent::kFloat64);
  descent::map_eigen<double>(a) *= 2;
  descent::map_eigen<double>(a.t())(2, 0) += 1;  // with the strides of a view
  Eigen::MatrixXd columns(2, 3);
  columns << 1, 2, 3, 4, 5, 6;
  const descent::Tensor over = descent::map_tensor(columns);  // column by column
  over.mul_(2);
  Eigen::VectorXf vector = Eigen::VectorXf::Ones(4);
  if (a[0][2].item() != 3 || columns(1, 0) != 8 || over[0][2].item() != 6 ||
      descent::map_tensor(vector).sum().item() != 4 ||
      descent::to_tensor(columns * 2).sum().item() != 84)
    return 1;
  const double x[] = {1, 2, 3};
  const bool right = a.sum().item() == 19 && cblas_ddot(3, x, 1, x, 1) == 14;
  std::puts(right ? "the host and Descent get on" : "wrong numbers");
  return right ? 0 : 1;
}
