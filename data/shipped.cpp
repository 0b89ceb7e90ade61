// The data sets that ship with Descent. The files of the data sets become part of the library. A
// program therefore finds the data sets even if the library is not installed.
#include <descent/core/files.h>
#include <descent/data/dataset.h>
#include <descent/data/files.h>

#include <string>

#define DESCENT_EMBED(symbol, file)          \
  __asm__(                                   \
      ".section .rodata\n"                   \
      ".global descent_data_" #symbol        \
      "\n"                                   \
      ".global descent_data_" #symbol        \
      "_end\n"                               \
      "descent_data_" #symbol                \
      ":\n"                                  \
      ".incbin \"" DESCENT_DATA_DIR "/" file \
      "\"\n"                                 \
      "descent_data_" #symbol                \
      "_end:\n"                              \
      ".byte 0\n"                            \
      ".previous\n");                        \
  extern "C" const char descent_data_##symbol[], descent_data_##symbol##_end[]

DESCENT_EMBED(digits, "digits.csv.gz");
DESCENT_EMBED(iris, "iris.csv");
DESCENT_EMBED(wine, "wine.csv");

namespace descent::data {
namespace {

Dataset parse(const char* begin, const char* end, const char* name) {
  return parse_csv(gunzip(std::string(begin, end), name), {.task = Task::classification}, name);
}

}  // namespace

Dataset digits() {
  Dataset d = parse(descent_data_digits, descent_data_digits_end, "digits");
  d.x.mul_(1.0 / 16);
  return d;
}

Dataset iris() {
  Dataset d = parse(descent_data_iris, descent_data_iris_end, "iris");
  d.features = {"sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"};
  return d;
}

Dataset wine() {
  Dataset d = parse(descent_data_wine, descent_data_wine_end, "wine");
  d.features = {"alcohol",         "malic acid",       "ash",        "alcalinity of ash",
                "magnesium",       "total phenols",    "flavanoids", "nonflavanoid phenols",
                "proanthocyanins", "colour intensity", "hue",        "od280/od315",
                "proline"};
  return d;
}

}  // namespace descent::data
