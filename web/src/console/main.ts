// The console's pages start here.
document.title = 'Cambist console';
