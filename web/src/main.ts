document.title = 'Cambist';
