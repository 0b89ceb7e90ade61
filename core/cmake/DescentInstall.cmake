# cmake --install: the library, the headers under include/descent/, and find_package(descent).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS descent EXPORT descentTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(part core autograd nn optim data)
  install(DIRECTORY ${part}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/descent/${part} FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
endforeach()
install(FILES descent.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/descent)
install(EXPORT descentTargets NAMESPACE descent:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/descent)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/descentConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/descentConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/descent)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/descentConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/descentConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/descentConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/descent)
